"""HOG and flow: scikit-image's own values, a shift by a pixel, stills, and that they are kept in files."""

import numpy as np
import pytest
from skimage import data, feature

from dfuse_jax.features import cache, dense_flow, hog
from dfuse_jax.features import hog as hog_function


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def photo():
    return data.camera()[100:228, 200:328].astype(np.float32)


def test_hog_is_that_of_scikit_image():
    found = hog(photo()[None])
    assert found.shape == (1, 8100)
    expected = feature.hog(photo(), 9, (8, 8), (2, 2), block_norm="L2-Hys")
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    assert np.isfinite(hog(np.full((1, 32, 32), 5.0))).all()


def test_a_shift_by_a_pixel_is_a_flow_of_one_pixel():
    big = data.camera()[100:240, 200:340].astype(np.float32)
    right = dense_flow(np.stack([big[5:133, 5:133], big[5:133, 4:132]]))  # what was at x is at x + 1
    assert right.shape == (1, 2, 128, 128)
    inside = right[0, :, 16:-16, 16:-16]
    assert np.median(inside[0]) == pytest.approx(1, abs=0.02) and abs(np.median(inside[1])) < 0.02
    down = dense_flow(np.stack([big[5:133, 5:133], big[4:132, 5:133]]))[0, :, 16:-16, 16:-16]
    assert np.median(down[1]) == pytest.approx(1, abs=0.02)


def test_still_and_flat_videos_do_not_flow():
    assert (dense_flow(np.stack([photo()] * 3)) == 0).all()
    assert (dense_flow(np.stack([np.full((32, 32), level, np.float32) for level in (1, 2)])) == 0).all()


def test_what_was_computed_is_read_again(monkeypatch):
    first = hog(photo()[None])
    monkeypatch.setattr(hog_function.__globals__["_hog"], "__code__", (lambda pictures: 1 / 0).__code__)
    np.testing.assert_array_equal(hog(photo()[None]), first)
    with pytest.raises(ZeroDivisionError):
        hog(photo()[None] + 1)
    assert len(list(cache.folder().glob("hog-*.npy"))) == 1


def test_what_is_no_grey_video_is_refused():
    with pytest.raises(ValueError, match="2 frames at least"):
        dense_flow(photo()[None])
    with pytest.raises(ValueError, match="16 pixels at least"):
        hog(np.zeros((3, 8, 8)))
