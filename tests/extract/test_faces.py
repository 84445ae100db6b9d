"""Several faces in a video: who is followed, and that the others do not disturb."""

import numpy as np
import pytest
from faces import portrait, smiling, write_video

from dfuse_jax.extract import faces
from dfuse_jax.extract.faces import follow, isolate
from dfuse_jax.extract.landmarks import extract

SIZE = (320, 240)


@pytest.fixture(scope="module")
def scene():
    """A smile, the same face half as large, and nothing: frames of SIZE."""
    smile = [image for image, _ in smiling(SIZE, frames=22, start=2, onset=6, apex=6, offset=6)]
    small, nothing = np.zeros_like(smile[0]), np.zeros_like(smile[0])
    small[60:180, 80:240] = portrait((160, 120))
    return smile, small, nothing


def _video(path, left, right):
    write_video(path, [np.hstack(pair) for pair in zip(left, right, strict=True)])
    return extract(path)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_largest_is_followed_wherever_it_is(scene, tmp_path, side):
    smile, small, nothing = scene
    arrange = (lambda a, b: (a, b)) if side == "left" else (lambda a, b: (b, a))
    alone = _video(tmp_path / "alone.avi", *arrange(smile, [nothing] * 22))
    both = _video(tmp_path / "both.avi", *arrange(smile, [small] * 22))
    assert (alone.other_faces, both.other_faces) == (0, 1)
    assert both.sample.interpolated == ()
    apart = np.linalg.norm((both.sample.landmarks - alone.sample.landmarks)[..., :2] * alone.sample.image_size, axis=-1)
    assert apart.mean() < 0.5  # pixels


def test_one_who_comes_later_is_not_followed(scene, tmp_path):
    smile, _, nothing = scene
    extraction = _video(tmp_path / "joined.avi", smile, [nothing] * 12 + [smile[0]] * 10)
    assert extraction.other_faces == 1
    assert (extraction.sample.landmarks[..., 0] < 0.5).all()


def test_one_who_crosses_first_is_not_followed(scene, tmp_path):
    """The largest face of the first frames is gone soon: the one that takes up most of the video counts."""
    nothing = scene[2]
    smaller = nothing.copy()
    smaller[22:217, 30:290] = portrait((260, 195))
    extraction = _video(tmp_path / "crossed.avi", [smaller] * 12, [portrait(SIZE)] * 3 + [nothing] * 9)
    assert extraction.other_faces == 1
    assert (extraction.sample.landmarks[..., 0] < 0.5).all()


def test_two_tracks_that_cross_are_not_exchanged():
    """Two boxes that pass at different heights, the smaller hidden for 3 frames."""
    x = np.linspace(0, 0.7, 30)
    large = np.stack([x, np.full(30, 0.1), np.full(30, 0.3), np.full(30, 0.3)], axis=1)
    small = np.stack([x[::-1], np.full(30, 0.5), np.full(30, 0.25), np.full(30, 0.25)], axis=1)
    boxes = [np.stack([b, a]) if t % 2 else np.stack([a, b]) for t, (a, b) in enumerate(zip(large, small, strict=True))]
    for t in (14, 15, 16):
        boxes[t] = small[t : t + 1]
    np.testing.assert_allclose(follow(boxes), large, atol=1e-9)  # linear, so interpolated exactly


def test_everything_but_the_face_is_black():
    image = np.full((100, 200, 3), 7, np.uint8)
    face, other = np.array([0.1, 0.2, 0.2, 0.4]), np.array([0.35, 0.2, 0.2, 0.4])
    isolated = isolate(image, face, np.stack([face, other]))[..., 0]
    assert (isolated[20:60, 20:60] == 7).all()  # the face's box
    assert (isolated[0:80, 0:70] == 7).all()  # twice its size around it
    assert (isolated[20:60, 70:110] == 0).all()  # the other's
    assert (isolated[:, 110:] == 0).all()
    assert (image == 7).all()


def box(left, width=0.2):
    return np.array([left, 0.3, width, width])


def test_people_are_told_apart_by_where_they_are():
    """The left one is hidden for five frames, the right one leaves for thirty and comes back to the same place."""
    boxes = []
    for frame in range(120):
        left = [] if 50 <= frame < 55 else [box(0.1 + 0.001 * frame, 0.3)]
        right = [] if 60 <= frame < 90 else [box(0.7)]
        boxes.append(np.array(left + right).reshape(-1, 4))
    first, second = faces.people(boxes)
    assert sorted(first) == list(range(120))
    np.testing.assert_allclose(first[52], box(0.152, 0.3))
    assert sorted(second) == [*range(60), *range(90, 120)]


def test_who_is_seen_for_a_moment_is_left_out():
    boxes = [np.array([box(0.1), box(0.7)] if 10 <= frame < 20 else [box(0.1)]) for frame in range(60)]
    assert len(faces.people(boxes)) == 1
