"""Landmarks that py-feat and MediaPipe Tasks have saved, and files of 68 points."""

import dataclasses
import json

import numpy as np
import pandas
import pytest
from mediapipe.tasks.python.components.containers.landmark import NormalizedLandmark
from mediapipe.tasks.python.vision.face_landmarker import FaceLandmarkerResult
from real_clips import real_clip

from dfuse_jax import samples
from dfuse_jax.data import synthetic
from dfuse_jax.data.layouts import landmark_files, other_tools
from dfuse_jax.data.layouts.tables import Row
from dfuse_jax.extract.landmarks import extract_landmarks
from dfuse_jax.runtime.errors import UserError

FACE = synthetic.generate(2, 1, seed=4)[0].landmarks[:20]
SIZE = (640, 480)
PIXELS = FACE * np.array([640, 480, 640])


def row(path):
    return Row(path=path, name="v", label=1, subject="s", line=2, fps=25.0, image_size=SIZE)


def fex_table(*, mesh):
    """A table with the columns of py-feat 2.1.5 (feat.utils, feat.multitask), of a crop that changes its size.

    Of MPDetector (x_0, y_0, z_0, x_1, ..., z in pixels of a crop of 256), or of Detectorv2 (68 points, and mesh_x_0 to
    mesh_x_477, then y and z, which is in widths of the crop).
    """
    frames = len(PIXELS)
    widths = np.linspace(150, 230, frames).round()
    table = pandas.DataFrame({"FaceRectX": 1.0, "FaceRectY": 2.0, "FaceRectWidth": widths, "FaceRectHeight": widths})
    table["FaceScore"] = 0.9
    points = PIXELS * np.stack([np.ones(frames), np.ones(frames), (1 if mesh else 256) / widths], axis=1)[:, None]
    if mesh:
        names = [f"{axis}_{k}" for axis in "xy" for k in range(68)]
        names += [f"mesh_{axis}_{k}" for axis in "xyz" for k in range(478)]
        values = np.concatenate([np.zeros((frames, 136)), np.moveaxis(points, 2, 1).reshape(frames, -1)], axis=1)
    else:
        names = [f"{axis}_{k}" for k in range(478) for axis in "xyz"]
        values = points.reshape(frames, -1)
    head = pandas.DataFrame(0.0, index=range(frames), columns=["Pitch", "Roll", "Yaw", "X", "Y", "Z"])
    rest = pandas.DataFrame({"FrameHeight": 480.0, "FrameWidth": 640.0, "input": "a.mp4", "frame": range(frames)})
    return pandas.concat([table, pandas.DataFrame(values, columns=names), head, rest], axis=1)


def test_a_frame_with_two_faces_is_refused(tmp_path):
    table = fex_table(mesh=False)
    pandas.concat([table, table[3:5]]).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=r"frame 3 has several faces \(2 such frames\).*Identity"):
        landmark_files.read(row(tmp_path / "a.csv"))


@pytest.mark.parametrize("mesh", [False, True])
def test_a_table_of_py_feat_is_read_with_its_depth_in_scale(tmp_path, mesh):
    fex_table(mesh=mesh).to_csv(tmp_path / "a.csv", index=False)
    sample = landmark_files.read(row(tmp_path / "a.csv"))
    np.testing.assert_allclose(sample.landmarks[..., :2], FACE[..., :2], atol=1e-5)
    ratio = sample.landmarks[..., 2] / FACE[..., 2]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    assert ratio.std() < 1e-4  # the same in every frame, however large its crop
    assert sample.network == "py-feat"
    samples.save(sample, tmp_path / "a.npz")
    assert samples.load(tmp_path / "a.npz").network == "py-feat"


def test_the_depth_of_a_real_face_in_its_own_scale_stays():
    sample = extract_landmarks(real_clip("single_face.mp4"))
    pixels = sample.landmarks * np.array([*sample.image_size, sample.image_size[0]])
    scaled = other_tools.scale_depth(pixels / (1, 1, 3.0), np.full(len(pixels), 2.0))
    np.testing.assert_allclose(scaled[..., 2], pixels[..., 2], rtol=0.05, atol=1e-3)


def shapes(landmarks):
    points = [[dict(zip("xyz", point, strict=True)) for point in face] for face in landmarks.tolist()]
    objects = [
        FaceLandmarkerResult([[NormalizedLandmark(**point) for point in face]], [], [np.eye(4)]) for face in points
    ]
    return {
        # Dataclasses of MediaPipe 0.10.14: landmarks have a visibility and a presence, too; matrices are arrays.
        "python": [json.loads(json.dumps(dataclasses.asdict(o), default=np.ndarray.tolist)) for o in objects],
        "javascript": {"frames": [{"faceLandmarks": [face]} for face in points]},
        "faces": {"results": [[face] for face in points]},
        "landmarks": points,
        "numbers": landmarks.tolist(),
    }


@pytest.mark.parametrize("shape", shapes(FACE[:1]))
def test_results_of_mediapipe_tasks_are_read(tmp_path, shape):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(shapes(FACE)[shape]))
    sample = landmark_files.read(row(path))
    np.testing.assert_allclose(sample.landmarks, FACE, atol=1e-6)
    assert (sample.network, sample.fps, sample.flags) == ("MediaPipe Tasks", 25.0, None)


def test_a_frame_without_a_face_is_interpolated(tmp_path):
    content = shapes(FACE)["python"]
    content[7] = {"face_landmarks": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert landmark_files.read(row(tmp_path / "a.json")).interpolated == (7,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "expected a list"),
        (json.dumps(shapes(FACE[:1, :400])["python"]), r"shape \(400, 3\)"),
        (json.dumps([{"face_landmarks": [[{"x": 0.1}]]}]), "has no x, y and z"),
        (json.dumps([{"face_landmarks": shapes(FACE[:2, :3])["landmarks"]}]), "frame 0 has 2 faces"),
    ],
)
def test_other_json_is_refused(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=message):
        landmark_files.read(row(tmp_path / "a.json"))


@pytest.mark.parametrize("axes", ["xy", "xyz"])
def test_68_points_are_refused_with_the_reason(tmp_path, axes):
    columns = {f" {axis}_{k}": [0.5] * 5 for axis in axes for k in range(68)}
    pandas.DataFrame({"frame": range(5), " confidence": 1.0} | columns).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=r"68 landmarks, as OpenFace.*lack.*mesh of 478"):
        landmark_files.read(row(tmp_path / "a.csv"))
