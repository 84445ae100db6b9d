"""A face that is held still goes with the head, and does nothing else."""

import numpy as np
from smiles import rotation

from dfuse_jax import dmarkers
from dfuse_jax.data import synthetic
from dfuse_jax.data.synthetic.muscles import neutral_face
from dfuse_jax.systems.still import FIRM, PARTS, carry, part_of_landmarks, still_face


def test_a_similarity_is_recovered():
    rng = np.random.default_rng(0)
    face = neutral_face().astype(float)
    turned = np.stack([0.7 * face @ rotation(rng).T + rng.normal(size=3) for _ in range(3)])
    np.testing.assert_allclose(carry(turned, FIRM, onto=face[None]), np.stack([face] * 3), atol=1e-9)
    np.testing.assert_allclose(carry(face[None], FIRM, onto=turned), turned, atol=1e-9)


def test_a_still_face_does_not_smile_and_stays_where_the_head_is():
    (sample,) = synthetic.generate(2, 1, seed=3, frames=(80, 80))[:1]
    still = still_face(sample)
    lip = dmarkers.REGIONS.index("lip")

    def range_of(landmarks):
        return np.ptp(dmarkers.signals(landmarks, aspect=sample.aspect, definition="robust").mean[lip])

    assert range_of(still) < 0.05 * range_of(sample.landmarks)
    eyes = np.linalg.norm((sample.landmarks[:, 33] - sample.landmarks[:, 263])[:, :2], axis=1).mean()
    assert np.abs(still - sample.landmarks)[:, list(FIRM)].max() < 0.1 * eyes


def test_the_points_of_table_1_are_in_their_parts():
    part = part_of_landmarks()
    eyes, cheeks, nose, lips = dmarkers.LANDMARKS[:6], dmarkers.LANDMARKS[6:8], [1], dmarkers.LANDMARKS[9:]
    for name, points in (("eyes", eyes), ("cheeks", cheeks), ("the rest", nose), ("lips", lips)):
        assert set(part[list(points)]) == {PARTS.index(name)}
    assert all(np.bincount(part) >= 30)
