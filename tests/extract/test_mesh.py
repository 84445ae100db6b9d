"""MediaPipe's networks: the model files that landmarks depend on, and one set of networks for every thread."""

import pathlib
import shutil
import threading

import mediapipe
import numpy as np
import pytest
from faces import portrait, write_video

from dfuse_jax.extract import mesh
from dfuse_jax.extract.landmarks import extract_landmarks
from dfuse_jax.runtime.errors import UserError

MODULES = pathlib.Path(mediapipe.__file__).parent / "modules"


@pytest.fixture
def modules(tmp_path):
    """A copy of the models of MediaPipe's wheel, to be changed."""
    for name in mesh.MODELS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(MODULES / name, tmp_path / name)
    return tmp_path


def test_the_models_of_the_wheel_are_those_expected(modules):
    """The first digits are those of the wheels 0.10.14 and 0.10.21."""
    mesh.check_models(modules, "any")
    starts = {pathlib.PurePath(name).stem: digest[:12] for name, digest in mesh.MODELS.items()}
    assert starts == {
        "face_landmark_with_attention": "e06a804e0144",
        "face_detection_short_range": "bbff11cebd1e",
        "face_detection_full_range_sparse": "2c3728e6da56",
    }


@pytest.mark.parametrize("name", mesh.MODELS)
def test_another_model_is_refused(modules, name):
    content = bytearray((modules / name).read_bytes())
    content[-1] ^= 1
    (modules / name).write_bytes(content)
    with pytest.raises(UserError, match=rf'has SHA-256 .*; expected {mesh.MODELS[name]}.*"mediapipe==0\.10\.14"'):
        mesh.check_models(modules, "0.10.99")


def test_a_release_without_models_is_refused(modules):
    shutil.rmtree(modules / "face_landmark")
    with pytest.raises(UserError, match=r'of MediaPipe 0\.10\.30, is missing; .*pip install "mediapipe==0\.10\.14"'):
        mesh.check_models(modules, "0.10.30")


def test_videos_of_several_threads_do_not_disturb_each_other(videos, tmp_path):
    """The mesh follows a face from frame to frame: shared, it would look for one video's face where another's was."""
    moved = tmp_path / "moved.avi"
    write_video(moved, [np.roll(portrait((320, 240)), 60, axis=1)] * 8)
    paths = [videos["a"], moved, videos["b"]]
    alone = [extract_landmarks(path).landmarks for path in paths]
    together = {}

    def work(path):
        together[path] = extract_landmarks(path).landmarks

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path, expected in zip(paths, alone, strict=True):
        np.testing.assert_array_equal(together[path], expected)


def test_the_last_video_leaves_nothing_behind(videos, tmp_path):
    moved = tmp_path / "moved.avi"
    write_video(moved, [np.roll(portrait((320, 240)), 60, axis=1)] * 6)
    first = extract_landmarks(videos["a"]).landmarks
    extract_landmarks(moved)
    np.testing.assert_array_equal(extract_landmarks(videos["a"]).landmarks, first)
