"""Real faces in motion, in clips that packages ship: what a viewer sees in them, frame by frame."""

import numpy as np
import pytest
from real_clips import real_clip

from dfuse_jax import dmarkers
from dfuse_jax.extract.landmarks import extract, extract_landmarks
from dfuse_jax.runtime.errors import UserError

LIDS = ((159, 145, 33, 133), (386, 374, 362, 263))  # upper lid, lower lid, corners


@pytest.fixture(scope="module")
def single_face():
    return extract_landmarks(real_clip("single_face.mp4"))


def opening(sample):
    """[T]: the distance between the lids over the eye's width in the image, mean of both eyes."""
    points = sample.landmarks[..., :2] * (1, sample.aspect)
    upper, lower, outer, inner = (points[:, [eye[k] for eye in LIDS]] for k in range(4))
    return np.mean(np.linalg.norm(upper - lower, axis=-1) / np.linalg.norm(outer - inner, axis=-1), axis=1)


def correlation(sample, definition):
    eye = dmarkers.signals(sample.landmarks, aspect=sample.aspect, definition=definition).mean[0]
    return np.corrcoef(eye, opening(sample))[0, 1]


def test_frames_rates_and_sizes(single_face):
    assert (len(single_face.landmarks), single_face.fps, single_face.image_size) == (72, 30, (640, 360))
    result = extract(real_clip("carphone_pristine.mp4"))  # a face 40 pixels wide; the file says its pixels are 128:117
    assert (result.decoded, result.lost) == (120, 0)
    assert result.sample.aspect == pytest.approx(144 / (176 * 128 / 117), rel=0.01)


def test_the_phases_of_a_smile_are_where_a_viewer_sees_them(single_face):
    """Neutral to frame 15, the mouth widens in 16 to 22, is in full smile to 67 and closes in 68 to 71."""
    lip = dmarkers.signals(single_face.landmarks, aspect=single_face.aspect, definition="robust").mean[2]
    (begin, end), _, (offset, _) = np.asarray(dmarkers.phase_ends(lip, single_face.fps, definition="robust"))
    assert 13 <= begin <= 18 and 20 <= end <= 26 and 64 <= offset <= 70


def test_the_eye_signal_follows_the_opening_between_the_lids(single_face):
    assert correlation(single_face, "robust") > 0.98
    assert correlation(single_face, "paper") > 0.75  # eq. 6 jumps when its distance in space changes its sign


@pytest.mark.slow
def test_so_it_does_behind_a_hand_and_in_grief():
    assert correlation(extract_landmarks(real_clip("WolfgangLanger_Pexels.mp4")), "robust") > 0.98


def find_smiles(sample):
    """[N, 2]: the frames at which the smiles that are found begin and end."""
    lip = dmarkers.signals(sample.landmarks, aspect=sample.aspect, definition="robust").mean[2]
    found = dmarkers.find_smiles(lip, sample.fps)
    return np.stack([found.begin, found.end], axis=1)[np.asarray(found.complete)]


def test_a_clip_of_one_smile_has_one(single_face):
    ((begin, end),) = find_smiles(single_face)
    assert 13 <= begin <= 18 and 67 <= end <= 71


@pytest.mark.slow
def test_the_smiles_of_a_conversation_are_found():
    """A viewer knows seven; the five others that are found look like smiles as well, of closed lips or half a mouth."""
    smiles = find_smiles(extract_landmarks(real_clip("franck.mp4"), pixel_aspect=16 / 15))
    known = [(60, 60), (2052, 2146), (2640, 2640), (2768, 2768), (3830, 3830), (4030, 4030), (4360, 4360)]
    covers = np.array([[begin <= first and last <= end for first, last in known] for begin, end in smiles])
    assert covers.any(axis=0).all()
    assert (~covers.any(axis=1)).sum() <= 8


@pytest.mark.parametrize("name", ["face_noface.mov", "no_face.mp4"])
def test_a_video_without_the_face_is_refused(name):
    with pytest.raises(UserError, match="no face found in"):
        extract(real_clip(name))
