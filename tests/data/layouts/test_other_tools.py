"""Landmarks that py-feat and MediaPipe Tasks have saved, and files of 68 points."""

import json

import numpy as np
import pandas
import pytest
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


def write_fex(path, *, mesh, depth):
    """A table as MPDetector writes it (x_0, y_0, z_0, ...), or as Detectorv2 does (68 points, and mesh_x_0, ...)."""
    points = PIXELS * (1, 1, depth)
    columns = {"FaceRectX": 1.0, "FaceRectY": 2.0, "FaceRectWidth": 90.0, "FaceRectHeight": 90.0, "FaceScore": 0.9}
    columns |= {name: np.full(len(points), value) for name, value in columns.items()} | {"AU12": np.zeros(len(points))}
    if mesh:
        columns |= {f"{axis}_{k}": np.zeros(len(points)) for axis in "xy" for k in range(68)}
    prefix = "mesh_" if mesh else ""
    columns |= {f"{prefix}{axis}_{k}": points[:, k, a] for k in range(478) for a, axis in enumerate("xyz")}
    columns |= {"frame": np.arange(len(points)), "FrameHeight": np.full(len(points), 480.0)}
    pandas.DataFrame(columns).to_csv(path, index=False)


@pytest.mark.parametrize("mesh", [False, True])
def test_a_table_of_py_feat_is_read_with_its_depth_in_scale(tmp_path, mesh):
    write_fex(tmp_path / "a.csv", mesh=mesh, depth=1.7)
    sample = landmark_files.read(row(tmp_path / "a.csv"))
    np.testing.assert_allclose(sample.landmarks[..., :2], FACE[..., :2], atol=1e-5)
    ratio = sample.landmarks[..., 2] / FACE[..., 2]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    assert sample.network == "py-feat"
    samples.save(sample, tmp_path / "a.npz")
    assert samples.load(tmp_path / "a.npz").network == "py-feat"


def test_the_depth_of_a_real_face_in_its_own_scale_stays():
    sample = extract_landmarks(real_clip("single_face.mp4"))
    pixels = sample.landmarks * np.array([*sample.image_size, sample.image_size[0]])
    scaled = other_tools.scale_depth(pixels / (1, 1, 3.0))
    np.testing.assert_allclose(scaled[..., 2], pixels[..., 2], rtol=0.05, atol=1e-3)


def shapes(landmarks):
    points = [[dict(zip("xyz", point, strict=True)) for point in face] for face in landmarks.tolist()]
    return {
        "python": [{"face_landmarks": [face], "face_blendshapes": []} for face in points],
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
