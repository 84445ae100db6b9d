"""The coordinates in which networks see landmarks."""

import dataclasses
import importlib

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dfuse_jax import samples, systems
from dfuse_jax.data import synthetic
from dfuse_jax.data.mirror import mirror
from dfuse_jax.data.synthetic.muscles import neutral_face
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import coordinates

REST = neutral_face() - neutral_face().mean(axis=0)


def filmed(face, *, turn, size, place, image_size):
    """A sample of a face [T, 478, 3] on one scale that is turned, made larger and moved alike in all frames."""
    points = size * Rotation.from_euler("xyz", turn, degrees=True).apply(face.reshape(-1, 3)).reshape(face.shape)
    points = (points + place) / (1, image_size[1] / image_size[0], 1)
    return Sample("filmed", points.astype(np.float32), 25.0, image_size)


@pytest.fixture(scope="module")
def moving():
    """Somebody's face, whose landmarks move."""
    rng = np.random.default_rng(0)
    return REST + rng.normal(0, 0.02, REST.shape) + rng.normal(0, 0.02, (12, 478, 3))


def test_the_papers_coordinates_are_scaled_by_the_published_constants():
    (sample,) = synthetic.generate(1, 1, seed=0, frames=(5, 5))
    np.testing.assert_array_equal(coordinates.read(sample, "image"), samples.scale(sample.landmarks))


@pytest.mark.parametrize("name", ["face", "motion"])
def test_where_a_head_is_and_how_it_is_turned_is_not_seen(name, moving):
    upright = filmed(moving, turn=(0, 0, 0), size=0.1, place=(0.3, 0.3, 0), image_size=(640, 480))
    turned = filmed(moving, turn=(20, -30, 10), size=0.15, place=(0.5, 0.4, 0.1), image_size=(1920, 1080))
    expected = coordinates.read(upright, name)
    np.testing.assert_allclose(coordinates.read(turned, name), expected, atol=2e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_a_head_is_turned_as_scipy_would(moving):
    """SciPy finds the rotation; the scale of the least squares is then the ratio of two sums."""
    sample = filmed(moving, turn=(10, 25, -15), size=0.12, place=(0.4, 0.5, 0), image_size=(640, 480))
    points = sample.landmarks[3] * (1, 0.75, 1)
    points = points - points.mean(axis=0)
    turned = Rotation.align_vectors(REST, points)[0].apply(points)
    ratio = (turned * REST).sum() / (turned**2).sum()
    np.testing.assert_allclose(coordinates.read(sample, "face")[3], 0.2 * ratio * turned + 0.5, atol=1e-5)


def test_a_face_is_about_as_large_as_in_the_papers_coordinates():
    faces = synthetic.generate(4, 2, seed=0, frames=(5, 5))
    image, face = (np.concatenate([coordinates.read(one, name) for one in faces]) for name in ("image", "face"))
    ratio = np.ptp(face[..., :2], axis=1).mean(axis=0) / np.ptp(image[..., :2], axis=1).mean(axis=0)
    assert (ratio > 0.7).all() and (ratio < 1.5).all()
    assert face.min() > 0 and face.max() < 1


def test_everybody_moves_the_same_face(moving):
    """Motion begins with the face at rest, whoever it is, and goes on as the own face does."""
    sample = filmed(moving, turn=(0, 10, 0), size=0.12, place=(0.4, 0.5, 0), image_size=(640, 480))
    motion, face = coordinates.read(sample, "motion"), coordinates.read(sample, "face")
    np.testing.assert_allclose(motion[:5].mean(axis=0), 0.2 * REST + 0.5, atol=1e-6)
    np.testing.assert_allclose(motion[7] - motion[2], face[7] - face[2], atol=1e-6)
    still = dataclasses.replace(sample, landmarks=np.repeat(sample.landmarks[:1], 3, axis=0))
    np.testing.assert_allclose(coordinates.read(still, "motion"), [0.2 * REST + 0.5] * 3, atol=1e-6)


def test_a_mirrored_video_moves_a_mirrored_face():
    (sample,) = synthetic.generate(1, 1, seed=2, frames=(30, 30))
    motion, mirrored = (coordinates.read(one, "motion") for one in (sample, mirror(sample)))
    moved, other = motion[20] - motion[0], mirrored[20] - mirrored[0]
    assert np.corrcoef(moved[61, :2], other[291, :2] * (-1, 1))[0, 1] > 0.99
    assert np.linalg.norm(moved[61] - other[291] * (-1, 1, 1)) < 0.1 * np.linalg.norm(moved[61])


def recipe(name, **fields):
    config = importlib.import_module(f"configs.{name}").get_config()
    config.update_from_flattened_dict(fields)
    return config


SLOW = pytest.param("pstnet", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", ["landmark_vit", "meshsmilenet", "deepmarkernet", "p4transformer", SLOW])
def test_every_network_of_landmarks_sees_them_in_the_coordinates_of_its_recipe(name):
    (sample,) = synthetic.generate(1, 1, seed=0, frames=(5, 5))
    config = recipe(name, **{"train.clip_coordinates": "motion"})
    inputs = systems.build(config.to_dict()).inputs([sample])
    chosen = np.linspace(0, 477, config.model.points).round().astype(int)
    expected = coordinates.read(sample, "motion")[:, chosen]
    np.testing.assert_array_equal(inputs.per_frame["points"][:-1], expected)


def test_a_recipe_without_coordinates_has_the_papers_and_unknown_ones_are_refused():
    config = recipe("landmark_vit", **{"train.clip_coordinates": "pixels"})
    with pytest.raises(UserError, match=r"config\.train\.clip_coordinates is 'pixels'; it must be one of image, face"):
        systems.build(config.to_dict())
    del config.train.clip_coordinates
    assert coordinates.choice(config) == "image"
    systems.build(config.to_dict())


@pytest.mark.slow
def test_coordinates_go_through_training_resuming_predicting_and_exporting(tmp_path):
    config = recipe("landmark_vit", **{"train.clip_coordinates": "motion"})
    config.data.update(videos=12, subjects=6)
    config.cv.update(folds=2, validation_share=0.34)
    config.model.update(points=12, width=8, depth=1, heads=1, head_width=8, mlp=8)
    config.train.update(epochs=2, batch_size=4, clip_frames=6, eval_windows=1, checkpoint_every=1)
    assert crossval.cross_validate(config, tmp_path / "run") is not None
    assert crossval.cross_validate(config, tmp_path / "run") is None
    trained = predict.load(tmp_path / "run")
    (sample,) = synthetic.generate(1, 1, seed=9)
    probabilities = trained.predict(sample)
    exported = trained.export(tmp_path / "model.npz", fold=None)
    np.testing.assert_allclose(exported.predict(sample), probabilities, rtol=1e-6)
    np.testing.assert_allclose(predict.load(tmp_path / "model.npz").predict(sample), probabilities, rtol=1e-6)
    # Farther away and elsewhere, the same head is the same to these coordinates.
    moved = dataclasses.replace(sample, landmarks=0.7 * sample.landmarks + np.float32(0.1))
    np.testing.assert_allclose(trained.predict(moved), probabilities, atol=1e-4)
