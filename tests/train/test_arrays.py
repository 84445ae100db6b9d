"""What training reads: videos end to end, and which of them a replica uses."""

import numpy as np
import pytest
from witness import replica

from dfuse_jax.train import Inputs, Tuning, assign, cut, end_to_end


def test_videos_lie_end_to_end_and_a_frame_of_zeros_comes_last():
    videos = [np.full((2, 3), 1.0), np.full((1, 3), 2.0)]
    joined = end_to_end(iter(videos), frames=3)
    np.testing.assert_array_equal(joined, [[1, 1, 1], [1, 1, 1], [2, 2, 2], [0, 0, 0]])
    assert end_to_end(videos, frames=3, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("videos", [[], [np.ones((2, 3))]])
def test_another_number_of_frames_is_refused(videos):
    with pytest.raises(ValueError, match=f"{2 * len(videos)} frames, expected 3"):
        end_to_end(videos, frames=3)


def test_windows_are_cut_out_as_videos_and_go_on_with_zeros():
    frames = np.array([10, 11, 12, 20, 21, 0])[:, None]
    inputs = Inputs(
        {"x": frames}, {"y": np.array([5.0, 6.0])}, np.array([0, 3]), np.array([3, 2]), np.array([1.0, 0.0])
    )
    windows = cut(inputs, np.array([[0, 1], [0, 0]]), 2)
    np.testing.assert_array_equal(windows.per_frame["x"][:, 0], [10, 11, 11, 12, 20, 21, 20, 21, 0])
    np.testing.assert_array_equal(windows.per_video["y"], [5, 5, 6, 6])
    np.testing.assert_array_equal((windows.first, windows.length), [[0, 2, 4, 6], [2, 2, 2, 2]])
    np.testing.assert_array_equal(windows.label, [1, 1, 0, 0])
    beyond = cut(inputs, np.array([[1], [0]]), 3)
    np.testing.assert_array_equal(beyond.per_frame["x"][:, 0], [11, 12, 0, 20, 21, 0, 0])


def test_replicas_are_stacked_and_padded_by_their_first_video():
    stacked = assign([replica(3, 1), replica(1, 0, n_test=2, fold=1)], [Tuning(seed=4), Tuning(learning_rate=0.5)])
    np.testing.assert_array_equal(stacked.train, [[0, 1, 2], [0, 0, 0]])
    np.testing.assert_array_equal(stacked.train_size, [3, 1])
    np.testing.assert_array_equal(stacked.evaluate, [[3, 4], [1, 2]])
    np.testing.assert_array_equal(stacked.fold, [0, 1])
    np.testing.assert_array_equal(stacked.validated, [1, 0])
    np.testing.assert_array_equal(stacked.tuning.seed, [4, 0])
    np.testing.assert_allclose(stacked.tuning.learning_rate, [5e-4, 0.5])


def test_as_many_tunings_as_replicas():
    with pytest.raises(ValueError, match="2 replicas and 1 tunings"):
        assign([replica(3, 1), replica(3, 1)], [Tuning()])
