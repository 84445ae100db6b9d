"""Landmarks that were found elsewhere, as NumPy arrays and CSV files: what is read, and what is refused in words."""

import csv

import numpy as np
import pytest
from layouts import make_sample

from dfuse_jax import samples
from dfuse_jax.data import synthetic
from dfuse_jax.data.layouts import landmark_files
from dfuse_jax.data.layouts.tables import Row
from dfuse_jax.runtime.errors import UserError

FACE = synthetic.generate(2, 1, seed=4)[0].landmarks[:40]  # 40 frames of an upright face


def row(path, **changes):
    fields = {"path": path, "name": "v", "label": 1, "subject": "s", "line": 2, "fps": 25.0, "image_size": (640, 480)}
    return Row(**fields | changes)


def write_long(path, landmarks, *, first=0, header=("frame", "landmark", "x", "y", "z")):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for frame, points in enumerate(landmarks.tolist()):
            writer.writerows((first + frame, number, *point) for number, point in enumerate(points))


def write_wide(path, landmarks, *, frames=None, name="{}{}"):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        columns = [name.format(axis, number) for number in range(landmarks.shape[1]) for axis in "xyz"]
        writer.writerow(columns if frames is None else ["frame", *columns])
        for number, points in enumerate(landmarks.reshape(len(landmarks), -1).tolist()):
            writer.writerow(points if frames is None else [frames[number], *points])


def refusal(path, array=None, **changes):
    if array is not None:
        np.save(path, array)
    with pytest.raises(UserError) as caught:
        landmark_files.read(row(path, **changes))
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def changed(frame, landmark, value):
    landmarks = FACE.copy()
    landmarks[frame, landmark] = value
    return landmarks


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.npy"


@pytest.mark.parametrize("kind", ["array", "long", "wide", "wide_", "numbered"])
def test_all_layouts_give_the_same_sample(tmp_path, kind):
    path = tmp_path / ("a.npy" if kind == "array" else "a.csv")
    if kind == "array":
        np.save(path, FACE)
    elif kind == "long":
        write_long(path, FACE, first=7)
    elif kind == "numbered":
        write_wide(path, FACE, frames=range(7, 47))
    else:
        write_wide(path, FACE, name="{}_{}" if kind == "wide_" else "{}{}")
    sample = landmark_files.read(row(path))
    np.testing.assert_array_equal(sample.landmarks, FACE)
    assert sample.landmarks.dtype == np.float32
    assert (sample.name, sample.fps, sample.image_size, sample.label, sample.subject) == ("v", 25, (640, 480), 1, "s")
    assert (sample.interpolated, sample.flags) == ((), None)


def test_lines_and_columns_come_in_any_order(tmp_path):
    lines = [[frame, number, *FACE[frame, number].tolist()] for frame in range(2) for number in range(478)]
    np.random.default_rng(0).shuffle(lines)
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["Z", "note", "landmark", "y", "x", "frame"])
        writer.writerows([z, "ok", number, y, x, frame] for frame, number, x, y, z in lines)
    np.testing.assert_array_equal(landmark_files.read(row(tmp_path / "a.csv")).landmarks, FACE[:2])


def test_pixels_are_brought_to_fractions(path):
    """z is in the scale of x. By hand: 320 of 640 pixels is 0.5, 120 of 480 is 0.25."""
    pixels = FACE * [640, 480, 640]
    pixels[0, 0] = 320, 120, -64
    np.save(path, pixels)
    sample = landmark_files.read(row(path, units="pixels"))
    np.testing.assert_allclose(sample.landmarks[0, 0], [0.5, 0.25, -0.1], rtol=1e-6)
    np.testing.assert_allclose(sample.landmarks[1:], FACE[1:], rtol=1e-6, atol=1e-7)
    np.save(path, pixels.round().astype(int))
    assert np.abs(landmark_files.read(row(path, units="pixels")).landmarks[1:] - FACE[1:]).max() < 1 / 480
    assert "coordinate is" in refusal(path) and "`pixels` in the column units" in refusal(path)
    assert "these are fractions, but `units` says pixels" in refusal(path, FACE, units="pixels")


def test_pixels_that_are_not_square_widen_the_image(path):
    """PAL, by hand: 720 x 16/15 = 768."""
    np.save(path, FACE)
    assert landmark_files.read(row(path, image_size=(720, 576), pixel_aspect=16 / 15)).image_size == (768, 576)


@pytest.mark.parametrize("empty", [np.nan, 0])
def test_moments_without_a_face_are_interpolated(path, empty):
    landmarks = FACE.copy()
    landmarks[10:12] = empty
    np.save(path, landmarks)
    sample = landmark_files.read(row(path))
    assert sample.interpolated == (10, 11)
    np.testing.assert_allclose(sample.landmarks[10], FACE[9] + (FACE[12] - FACE[9]) / 3, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.delete(sample.landmarks, [10, 11], axis=0), np.delete(FACE, [10, 11], axis=0))


def test_lines_that_are_left_out_or_empty_are_frames_without_a_face(tmp_path):
    kept = [*range(10), *range(12, 40)]
    write_wide(tmp_path / "left_out.csv", FACE[kept], frames=kept)
    landmarks = FACE.copy()
    landmarks[10:12] = np.nan
    write_wide(tmp_path / "nan.csv", landmarks)
    text = (tmp_path / "nan.csv").read_text()
    (tmp_path / "empty.csv").write_text(text.replace("nan", ""))
    (tmp_path / "na.csv").write_text(text.replace("nan", "NA"))
    read = [landmark_files.read(row(tmp_path / f"{name}.csv")) for name in ("left_out", "nan", "empty", "na")]
    for sample in read:
        assert sample.interpolated == (10, 11)
        np.testing.assert_array_equal(sample.landmarks, read[0].landmarks)


def test_longer_times_without_a_face_are_refused(path):
    landmarks = FACE.copy()
    landmarks[10:13] = np.nan  # 4 steps of 1/12 s between two faces
    assert "no face for 0.33 seconds, from 0.75 on; up to 0.25 are interpolated" in refusal(path, landmarks, fps=12.0)
    landmarks[::8] = np.nan
    assert "no face in 8 of its 40 frames, first in frame 0; up to 10% are" in refusal(path, landmarks)
    assert "no frame has a face" in refusal(path, np.zeros((3, 478, 3)))


def test_arrays_that_are_no_landmarks_are_refused(path):
    assert "has 468 landmarks, which lack the irises" in refusal(path, FACE[:, :468])
    assert "refine_landmarks=True" in refusal(path, FACE[:, :468])
    assert "has x and y alone" in refusal(path, FACE[..., :2])
    assert "shape (40, 1434), expected [frames, 478, 3]" in refusal(path, FACE.reshape(40, -1))
    assert "shape (478, 3), expected [frames, 478, 3]" in refusal(path, FACE[0])
    assert "holds no frames" in refusal(path, FACE[:0])
    assert "of type bool" in refusal(path, FACE > 0.5)
    assert "cannot be read as a NumPy array of numbers" in refusal(path, np.array(["a"]))
    assert "landmark 7 of frame 3 is missing or NaN (1 such frames)" in refusal(path, changed(3, 7, np.nan))
    assert "landmark 7 of frame 3 is infinite" in refusal(path, changed(3, 7, np.inf))
    path.write_bytes(b"no array")
    assert "cannot be read as a NumPy array" in refusal(path)
    path.write_bytes(b"")
    assert "cannot be read as a NumPy array" in refusal(path)


def test_a_face_that_is_not_upright_in_an_image_is_refused(path):
    assert "upside down" in refusal(path, FACE * [1, -1, 1] + [0, 1, 0])
    assert "mirrored" in refusal(path, FACE * [-1, 1, 1] + [1, 0, 0])
    assert "inside out" in refusal(path, FACE * [1, 1, -1])
    assert "z is the same everywhere" in refusal(path, FACE * [1, 1, 0])


def test_what_the_file_does_not_hold_must_be_in_the_table(path):
    assert "line 2 of its table has no fps, which a .npy does not hold" in refusal(path, FACE, fps=None)
    assert "no width, height" in refusal(path, FACE, image_size=None)
    assert "has no fps and no width, height" in refusal(path, FACE, fps=None, image_size=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "its first line must be frame,landmark,x,y,z or x0,y0,z0 to x477,y477,z477.*found: no line"),
        ("frame;landmark;x;y;z\n0;0;1;1;1\n", "separated by commas .found: 'frame;landmark;x;y;z'"),
        ("frame,landmark,x,y,z\n", "holds no frames"),
        ("frame,landmark,x,y,z\n0,0,1,1\n", "line 2 has 4 cells"),
        ('frame,landmark,x,y,z\n0,0,"0,5",1,1\n', "line 2: '0,5' is no number"),
        ("frame,landmark,x,y,z\n0,0,.1,.1,.1\n0,0,.1,.1,.1\n", "landmark 0 of frame 0 is there twice"),
        ("frame,landmark,x,y,z\n0.04,0,.1,.1,.1\n", "there is a frame 0.04; expected whole numbers"),
        ("frame,landmark,x,y,z\n0,-1,.1,.1,.1\n", "there is a landmark -1"),
        ("frame,landmark,x,y,z\n0,0,.1,.1,.1\n900000,0,.1,.1,.1\n", "only 2 are there. Number the frames one by one"),
        ("frame,landmark,x,y,z\n0,0,.1,.1,.1\n", r"landmarks have shape \(1, 1, 3\)"),
        ("frame,landmark,x,y,z\n0,2000000000,.1,.1,.1\n", "there is a landmark 2000000000; expected 0 to 477"),
        ("x0,y0,z0,x2000000000\n.1,.1,.1,.1\n", "has columns up to 2000000000, but no x1. Landmarks count from 0"),
        ("x1,y1,z1\n.1,.1,.1\n", "has columns up to 1, but no x0. Landmarks count from 0"),
        ("x0,y0\n.1,.1\n", "has columns up to 0, but no z0"),
        ("frame,x0,y0,z0\n3,.1,.1,.1\n3,.1,.1,.1\n", "frame 3 is there twice"),
        ("x0,y0,z0\n.1,.1,\xff\n", "cannot be read as a CSV file in UTF-8"),
    ],
)
def test_a_csv_file_that_is_in_neither_layout_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=rf"a\.csv.*{message}"):
        landmark_files.read(row(path))


def test_landmarks_that_count_from_1_or_lack_irises_are_refused(tmp_path):
    with open(tmp_path / "a.csv", "w") as file:
        file.write("frame,landmark,x,y,z\n" + "".join(f"0,{number},.5,.5,.5\n" for number in range(1, 479)))
    assert "count from 1" in refusal(tmp_path / "a.csv")
    write_long(tmp_path / "a.csv", FACE[:2, :468])
    assert "lack the irises" in refusal(tmp_path / "a.csv")
    write_wide(tmp_path / "a.csv", FACE[:2, :468])
    assert "lack the irises" in refusal(tmp_path / "a.csv")


def test_a_sample_has_its_own_rate_and_size(tmp_path):
    flags = np.arange(7, dtype=np.uint16)
    samples.save(make_sample(flags=flags), tmp_path / "a.npz")
    sample = landmark_files.read(row(tmp_path / "a.npz", fps=None, image_size=None))
    assert sample.fps == 25 and sample.flags.tolist() == list(range(7))
    message = refusal(tmp_path / "a.npz", units="pixels")
    assert "leave fps and width, height and units empty in line 2" in message
