"""Synthetic conversations, and how well their smiles are found."""

import numpy as np
import pytest

from dfuse_jax import dmarkers
from dfuse_jax.data.synthetic import converse
from dfuse_jax.runtime.errors import UserError

FRAMES = 6000  # of the longest, 120 s at 50 frames per second


def overlap(a, b):
    """Intersection over union of two spans."""
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(0.0, shared) / (max(a[1], b[1]) - min(a[0], b[0]))


def lip_signal(sample):
    points = sample.landmarks[:, dmarkers.LANDMARKS]
    padded = np.pad(points, ((0, FRAMES - len(points)), (0, 0), (0, 0)), mode="edge")
    return np.asarray(dmarkers.signals(padded, aspect=sample.aspect, definition="robust").mean[2])


def find(sample):
    found = dmarkers.find_smiles(lip_signal(sample), sample.fps, length=len(sample.landmarks))
    return np.stack([found.begin, found.end], axis=1)[np.asarray(found.complete)] / sample.fps


def test_recall_and_precision_at_an_overlap_of_a_half():
    recalled, precise = [], []
    for seed in range(20):
        conversation = converse(120.0, fps=(25.0, 29.97, 30.0, 50.0)[seed % 4], seed=seed)
        found = find(conversation.sample)
        recalled += [max((overlap(x, y) for y in found), default=0) >= 0.5 for x in conversation.smiles]
        precise += [max((overlap(x, y) for y in conversation.smiles), default=0) >= 0.5 for x in found]
    assert len(recalled) > 80
    assert np.mean(recalled) >= 0.95
    assert np.mean(precise) >= 0.95


def test_amplitudes_are_those_of_the_lip_signal():
    """They are planted between 0.10 and 0.26 of D_lip; talk and the tracker's error come on top."""
    conversation = converse(120.0, fps=25.0, seed=3)
    lip = lip_signal(conversation.sample)
    rest = np.median(lip[:3000])
    heights = [np.median(lip[int(25 * b + 20) : int(25 * e - 20)]) - rest for b, e in conversation.smiles]
    assert len(heights) >= 3
    assert 0.06 < min(heights) and max(heights) < 0.32


def test_rates_are_those_of_the_real_conversation():
    conversations = [converse(120.0, seed=seed) for seed in range(4)]
    assert 2 < np.mean([len(c.smiles) / 2 for c in conversations]) < 4  # a minute
    assert 0.12 < np.mean([c.talks.mean() for c in conversations]) < 0.4


def test_another_frame_rate_films_the_same_conversation():
    slow, fast = converse(60.0, fps=25.0, seed=1), converse(60.0, fps=50.0, seed=1)
    np.testing.assert_array_equal(slow.smiles, fast.smiles)
    np.testing.assert_array_equal(slow.talks, fast.talks[::2])
    np.testing.assert_allclose(find(slow.sample), find(fast.sample), atol=0.3)


def test_no_frames_are_refused():
    with pytest.raises(UserError, match="cannot make a conversation"):
        converse(0.0)
