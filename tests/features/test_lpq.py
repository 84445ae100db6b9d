"""LPQ: the transform itself, what grey maps and blur do, histograms."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from dfuse_jax.features import lpq
from dfuse_jax.features.lpq import lpq_codes


def bits(codes):
    return (np.asarray(codes)[..., None] >> np.arange(8)) & 1


def test_codes_are_signs_of_the_windows_fourier_coefficients():
    picture = np.random.default_rng(0).normal(size=(9, 10))
    codes = np.asarray(lpq_codes(picture, decorrelate=False))
    assert codes.shape == (3, 4)
    y, x = np.mgrid[-3:4, -3:4]
    for row, column in np.ndindex(3, 4):
        window = picture[row : row + 7, column : column + 7]
        values = [
            (window * np.exp(-2j * np.pi * (u * x + v * y) / 7)).sum() for u, v in ((1, 0), (0, 1), (1, 1), (1, -1))
        ]
        signs = [part >= 0 for value in values for part in (value.real, value.imag)]
        assert codes[row, column] == sum(int(sign) << bit for bit, sign in enumerate(signs))


@pytest.mark.parametrize("decorrelate", [False, True])
def test_a_linear_grey_map_changes_nothing(decorrelate):
    picture = np.random.default_rng(1).integers(0, 256, (40, 40)).astype(float)
    same = lpq_codes(picture, decorrelate=decorrelate) == lpq_codes(2 * picture + 50, decorrelate=decorrelate)
    assert np.mean(same) > 0.999


def test_a_little_blur_keeps_most_bits():
    """A 3 x 3 box blur keeps 86% of the bits and 30% of the codes of noise, and more of a photograph's."""
    noise, photo = np.random.default_rng(0).normal(size=(256, 256)), data.camera()[:256, 128:384].astype(float)
    kept = []
    for picture in (noise, photo):
        sharp, blurred = (lpq_codes(x, decorrelate=False) for x in (picture, ndimage.uniform_filter(picture, 3)))
        kept.append((np.mean(bits(sharp) == bits(blurred)), np.mean(np.asarray(sharp) == np.asarray(blurred))))
    np.testing.assert_allclose(kept[0], (0.86, 0.30), atol=0.01)
    assert 0.86 < kept[1][0] < 0.93 and 0.30 < kept[1][1] < 0.55


def test_decorrelated_values_of_correlated_noise_are_uncorrelated():
    """Signs of neighbouring coefficients agree by chance alone once whitened."""
    from dfuse_jax.features.lpq import _filters, _whitening

    filters = _filters()
    y, x = np.mgrid[:7, :7].reshape(2, -1)
    covariance = 0.9 ** np.hypot(x[:, None] - x, y[:, None] - y)
    rotated = _whitening(filters) @ filters
    after = rotated @ covariance @ rotated.T
    off = after - np.diag(np.diag(after))
    assert np.abs(off).max() < 1e-4 * np.diag(after).min()


def test_histograms_sum_to_one_and_a_flat_picture_has_no_nan():
    histograms = np.asarray(lpq(np.random.default_rng(2).normal(size=(128, 128))))
    assert histograms.shape == (16, 256)
    np.testing.assert_allclose(histograms.sum(axis=1), 1, rtol=1e-5)
    flat = np.asarray(lpq(np.full((32, 32), 0.7)))
    assert (flat[:, 255] == 1).all()


def test_pictures_smaller_than_a_window_or_in_colour_are_refused():
    for shape in ((6, 20), (20, 20, 3)):
        with pytest.raises(ValueError, match="expected a grey one of 7 pixels at least"):
            lpq_codes(np.zeros(shape))
