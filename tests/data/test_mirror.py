"""Mirrored videos: which landmark is on which side, and that D-Markers hardly change."""

import dataclasses

import numpy as np

from dfuse_jax import dmarkers, samples
from dfuse_jax.data import synthetic
from dfuse_jax.data.mirror import mirror, other_side
from dfuse_jax.data.synthetic.muscles import CHEEKS, LIDS, LIP_CORNERS, LOWER_LIDS


def test_the_other_side_is_where_the_mesh_has_it():
    partner = other_side()
    np.testing.assert_array_equal(partner[partner], np.arange(478))
    for right, left in (LIP_CORNERS, CHEEKS, LOWER_LIDS, (33, 263), (133, 362), (159, 386), (468, 473)):
        assert partner[right] == left
    for right, left in zip(*LIDS, strict=True):  # from the person's right to the left, so one of them runs backwards
        np.testing.assert_array_equal(partner[list(right)], left[::-1])
    for middle in (1, 0, 13, 14, 152, 10):
        assert partner[middle] == middle


def test_a_mirrored_video_is_valid_and_twice_mirrored_is_the_same():
    (sample,) = synthetic.generate(2, 1, seed=3)[:1]
    once = samples.validate(mirror(sample))
    assert once.name != sample.name and (once.subject, once.label) == (sample.subject, sample.label)
    np.testing.assert_allclose(once.landmarks[:, 33, 0], 1 - sample.landmarks[:, 263, 0], rtol=1e-6)
    np.testing.assert_array_equal(once.landmarks[:, 33, 1:], sample.landmarks[:, 263, 1:])
    np.testing.assert_allclose(mirror(once).landmarks, sample.landmarks, atol=1e-6)


def test_mirrored_signals_swap_their_sides():
    (sample,) = synthetic.generate(2, 1, seed=3)[:1]
    direct, mirrored = (
        dmarkers.signals(one.landmarks, aspect=one.aspect, definition="robust") for one in (sample, mirror(sample))
    )
    # Lips are another matter: of Table 1 only their points, 62 and 308, are not each other's other side.
    np.testing.assert_allclose(mirrored.right[:2], direct.left[:2], atol=1e-5)
    np.testing.assert_allclose(mirrored.mean[:2], direct.mean[:2], atol=1e-5)


def test_chips_are_mirrored_with_their_video():
    (sample,) = synthetic.generate(2, 1, seed=3)[:1]
    chips = np.random.default_rng(0).integers(0, 255, (len(sample.landmarks), 128, 128, 3)).astype(np.uint8)
    once = mirror(dataclasses.replace(sample, chip_source=chips))
    for _ in range(2):  # every time they are asked for
        np.testing.assert_array_equal(once.chips, chips[:, :, ::-1])
