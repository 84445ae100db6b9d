"""CLBP-TOP: scikit-image's codes, what grey maps and mirrors do, flat volumes, blocks, and what cannot be."""

import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from dfuse_jax.features import clbp, clbp_top

SHAPE = (4, 12, 14)  # shared, as each shape is compiled
ONE = {"blocks": (1, 1, 1), "patterns": "all", "normalise": False}


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def counts(volume, **options):
    """{plane: (of S, of M)} as counts."""
    return np.asarray(clbp_top(volume, **(ONE | options)))[0].reshape(3, 2, -1)


def test_there_are_58_uniform_codes_in_order():
    bins = clbp.uniform_codes()
    assert bins.max() == 58 and np.bincount(bins)[58] == 256 - 58
    assert bins[[0, 1, 2, 3, 4, 255]].tolist() == [0, 1, 2, 3, 4, 57] and bins[5] == 58


def test_signs_are_those_of_scikit_image():
    """In all planes: x to the right and y down; x, or y, to the right and t down."""
    volume = noise(*SHAPE)
    for plane, axis in enumerate((0, 1, 2)):
        slices = [local_binary_pattern(np.take(volume, n, axis), 8, 1)[1:-1, 1:-1] for n in range(SHAPE[axis])]
        expected = np.bincount(np.ravel(slices).astype(int), minlength=256)
        np.testing.assert_array_equal(counts(volume)[plane, 0], expected)


def test_magnitudes_are_compared_with_their_mean_over_the_plane():
    """By hand, one bright pixel in each frame: it sees 8 darker neighbours, and all others see none that is darker."""
    volume = np.zeros(SHAPE)
    volume[:, 6, 6] = 1
    of_sign, of_magnitude = counts(volume)[0]
    assert of_sign[0] == SHAPE[0] == of_magnitude[255] and of_sign[255] == SHAPE[0] * (10 * 12 - 1)
    # On the diagonal the pixel counts 1/2 or a little more or less, more than the mean; far away nothing reaches it.
    assert of_magnitude[0] == SHAPE[0] * (10 * 12 - 9)


def test_a_flat_volume_has_one_code_and_no_nan():
    histograms = np.asarray(clbp_top(np.full((6, 16, 16), 0.3), blocks=(2, 2, 1)))
    assert np.isfinite(histograms).all()
    assert (histograms[..., 57] == 1).all() and (histograms[..., 59 + 57] == 1).all()


def test_a_linear_grey_map_changes_nothing():
    volume = np.round(100 * noise(*SHAPE))
    for options in ({}, {"joint_c": True}):
        np.testing.assert_array_equal(counts(volume, **options), counts(4 * volume + 32, **options))


def test_mirroring_x_permutes_the_bits_of_the_codes():
    """Neighbour q comes to lie where 4 - q was."""
    volume = noise(*SHAPE)
    codes = np.arange(256)
    mirrored = sum(((codes >> q) & 1) << ((4 - q) % 8) for q in range(8))
    plain, flipped = counts(volume), counts(volume[:, :, ::-1])
    for plane in (0, 1):  # x is the first axis of both
        np.testing.assert_array_equal(flipped[plane][:, mirrored], plain[plane])
    np.testing.assert_array_equal(flipped[2], plain[2])


def test_blocks_are_those_of_a_loop():
    """7 columns in 3 blocks: 2, 2 and 3 of them."""
    volume = noise(4, 6, 7)
    found = np.asarray(clbp_top(volume, blocks=(3, 2, 2), patterns="all", normalise=False))
    code = np.stack([local_binary_pattern(frame, 8, 1, "default") for frame in volume]).astype(int)
    for t, y, x in np.ndindex(2, 2, 3):
        part = (
            slice(2 * t, 2 * t + 2),
            slice(max(3 * y, 1), min(3 * y + 3, 5)),
            slice(max(2 * x, 1), 6 if x == 2 else 2 * x + 2),
        )
        expected = np.bincount(code[part].ravel(), minlength=256)
        np.testing.assert_array_equal(found[(t * 2 + y) * 3 + x, 0, :256], expected)


def test_lengths_and_sums():
    volume = noise(20, 128, 128)
    histograms = np.asarray(clbp_top(volume))
    assert histograms.size == 22656
    np.testing.assert_allclose(histograms[..., :59].sum(axis=-1), 1, rtol=1e-5)
    assert clbp_top(volume[:5, :16, :16], joint_c=True).shape == (64, 3, 177)


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((2, 16, 16), {}, "has 2 frames; a radius of 1 and 1 blocks need 3 at least"),
        ((4, 16, 16), {"radii": (1, 1, 2)}, "has 4 frames; a radius of 2 and 1 blocks need 5"),
        ((9, 16, 7), {}, "has 7 columns; a radius of 1 and 8 blocks need 8"),
        ((9, 16, 16, 3), {}, "expected .frames, height, width.: grey"),
        ((9, 16, 16), {"patterns": "rotated"}, "unknown patterns 'rotated'; known: uniform, all"),
    ],
)
def test_what_has_no_patterns_is_refused(shape, options, words):
    with pytest.raises(ValueError, match=words):
        clbp_top(np.zeros(shape), **options)
