"""What people use around the D-Markers: validation, tables, the transformer, the figure, the benchmark."""

import json
import re
import subprocess
import sys

import jax
import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from smiles import FACE, rough, smile

import dfuse_jax
from dfuse_jax import dmarkers, plotting
from dfuse_jax.bench import dmarkers as benchmark
from dfuse_jax.data import synthetic


def python(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)


def test_importing_loads_nothing_heavier_than_jax():
    ran = python(
        "import sys, dfuse_jax.dmarkers\n"
        "heavy = {'matplotlib', 'pandas', 'sklearn', 'flax', 'optax', 'cv2', 'mediapipe'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert 'jax' in sys.modules"
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("plot", "matplotlib", "matplotlib"), ("to_frame", "pandas", "pandas"), ("DMarkers", "sklearn", "scikit-learn")],
)
def test_a_missing_package_is_named(name, module, package, monkeypatch):
    for loaded in [m for m in sys.modules if m.split(".")[0] == module or m == "dfuse_jax.plotting"]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.delattr(dfuse_jax, "plotting", raising=False)
    for own in ("plot", "frame", "transformer"):
        monkeypatch.delitem(sys.modules, f"dfuse_jax.dmarkers.extras.{own}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=f"pip install {package}"):
        getattr(dmarkers, name)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        dmarkers.nothing_like_it  # noqa: B018
    with pytest.raises(ValueError, match="unknown definition 'book'; known: paper, authors"):
        dmarkers.compute(smile([1, 2]), 25.0, definition="book")
    with pytest.raises(ValueError, match="unknown smoothing '3R'"):
        dmarkers.compute(smile([1, 2]), 25.0, smoothing="3R")


@pytest.mark.parametrize("shape", [(5, 10, 3), (5, 478, 2), (0, 11, 3), (2, 5, 11, 3), (33,)])
def test_wrong_shapes_are_named(shape):
    for call in (dmarkers.compute, dmarkers.validate):
        with pytest.raises(ValueError, match=re.escape(f"{shape}, expected [T, 478, 3] or [T, 11, 3]")):
            call(np.ones(shape), 25.0)


def test_what_is_not_one_number_is_named():
    points = smile([1, 2, 3])
    with pytest.raises(ValueError, match=r"fps has shape \(3,\)"):
        dmarkers.compute(points, np.ones(3))
    with pytest.raises(ValueError, match=r"length has shape \(1,\)"):
        dmarkers.compute(points, 25.0, length=np.ones(1, int))
    with pytest.raises(ValueError, match=r"the lip signal has shape \(3, 2\)"):
        dmarkers.phases(np.ones((3, 2)))


def test_validate_names_the_first_bad_frame_and_landmark():
    points = smile([1, 2, 3, 4])
    dmarkers.validate(points, 25)
    points[3, 2, 0], points[2, 9, 1] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"frame 2: point 10 \(landmark 62\) .*2 of 4 frames"):
        dmarkers.validate(points, 25)
    dmarkers.validate(points, 25, length=2)
    mesh = np.zeros((4, 478, 3))
    mesh[1, 77] = np.nan
    with pytest.raises(ValueError, match="frame 1: landmark 77"):
        dmarkers.validate(mesh, 25)


@pytest.mark.parametrize("fps", [0, -25.0, float("nan"), float("inf")])
def test_validate_refuses_a_frame_rate_that_is_not_positive(fps):
    with pytest.raises(ValueError, match=f"the frame rate is {fps}"):
        dmarkers.validate(smile([1, 2]), fps)


@pytest.mark.parametrize("length", [0, -1, 3])
def test_validate_refuses_a_length_beyond_the_frames(length):
    with pytest.raises(ValueError, match=f"the length is {length}, expected 1 to 2"):
        dmarkers.validate(smile([1, 2]), 25, length=length)


def test_to_frame_names_every_feature_with_its_unit():
    found = np.asarray(dmarkers.compute(smile([1, 2, 4, 3]), 10.0))
    table = dmarkers.to_frame(found)
    assert tuple(table.index) == dmarkers.FEATURE_NAMES
    assert table.loc["lip_onset_duration", ["region", "phase", "measure", "unit"]].tolist() == [
        *("lip", "onset", "duration", "s")
    ]
    assert table.loc["lip_onset_duration", "value"] == pytest.approx(0.3)
    assert table.loc["cheek_offset_speed_max_increasing", "unit"] == "1/s"
    assert table.loc["eye_apex_acceleration_mean_decreasing", "unit"] == "1/s²"
    assert table["meaning"].str.len().min() > 20
    table = dmarkers.to_frame(np.stack([found, found]), index=["a", "b"])
    assert table.loc["b", "lip_onset_duration"] == pytest.approx(0.3)
    assert table.attrs["units"]["lip_onset_duration"] == "s"
    assert isinstance(table, pd.DataFrame)
    with pytest.raises(ValueError, match=r"\(2, 224\)"):
        dmarkers.to_frame(np.ones((2, 224)))


def test_the_transformer_computes_what_compute_does():
    rng = np.random.default_rng(0)
    sequences = [rough(rng, frames, "smooth") for frames in (30, 3, 17)]
    transformer = dmarkers.DMarkers(fps=30.0, smoothing=None).fit(sequences)
    found = transformer.transform(sequences)
    assert found.shape == (3, 225)
    expected = jax.jit(dmarkers.compute)(sequences[2].astype(np.float32), 30.0)
    np.testing.assert_allclose(found[2], expected, rtol=1e-3, atol=1e-2)
    assert tuple(transformer.get_feature_names_out()) == dmarkers.FEATURE_NAMES
    assert clone(transformer).get_params() == transformer.get_params()
    assert transformer.transform([]).shape == (0, 225)
    frame = clone(transformer).set_output(transform="pandas").fit_transform(sequences)
    assert tuple(frame.columns) == dmarkers.FEATURE_NAMES
    sequences[1][2, 0] = np.nan
    with pytest.raises(ValueError, match="sequence 1: frame 2: point 1"):
        transformer.transform(sequences)


def test_the_transformer_reads_samples_and_works_in_a_pipeline_with_groups():
    samples = synthetic.generate(48, 12, difference=3.0, frames=(40, 60), fps=(25.0, 50.0))
    first = samples[1]
    (row,) = dmarkers.DMarkers(smoothing=None).transform([first])
    alone = jax.jit(dmarkers.compute)(first.landmarks, first.fps, aspect=first.aspect)
    np.testing.assert_allclose(row, alone, rtol=1e-3, atol=1e-2)
    model = make_pipeline(dmarkers.DMarkers(), StandardScaler(), SVC())
    labels, subjects = [s.label for s in samples], [s.subject for s in samples]
    scores = cross_val_score(model, samples, labels, groups=subjects, cv=GroupKFold(4))
    assert scores.mean() > 0.75  # classes three times as far apart as in the demo


def test_head_pose_is_the_angles_the_head_was_turned_by():
    turned = [FACE]
    for axis, angle in ((2, 20.0), (1, -15.0), (0, 10.0)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        turned.append(FACE @ turn.T)
    found = np.asarray(dmarkers.head_pose(np.array(turned)))
    # Roll: left eye down. Yaw: the rotation in x-z by -15 brings the left eye to the camera. Pitch: by 10 in y-z moves
    # the chin (y > 0) away from the camera, so the face turns down.
    np.testing.assert_allclose(found, [[0, 0, 0], [20, 0, 0], [0, -15, 0], [0, 0, -10]], atol=1e-3)


@pytest.mark.parametrize("lip", [[1, 1.1, 1.4, 1.4, 1.5, 1.4, 1.2], [1.0], [1, 1, 1]])
def test_plot_draws_every_sequence(tmp_path, lip):
    path = tmp_path / "smile.png"
    dmarkers.plot(path, smile(lip), 25.0, title="a $mile")
    image = matplotlib.image.imread(path)
    assert min(image.shape[:2]) > 500
    assert image[..., :3].std() > 0.05
    with pytest.raises(ValueError, match="frame rate"):
        dmarkers.plot(path, smile(lip), 0.0)


def near(image: np.ndarray, colour: str) -> int:
    """Number of pixels of a colour at a quarter of its strength on white."""
    rgb = 1 - 0.25 * (1 - np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255)
    return int((np.abs(image[..., :3] - rgb).max(axis=-1) < 0.02).sum())


def test_plot_shades_the_phases_that_there_are(tmp_path):
    rise, hold, fall = np.linspace(1, 1.4, 40), np.full(20, 1.4), np.linspace(1.4, 1, 40)
    pixels = {}
    for name, lip in {"all": [*rise, *hold, *fall], "none": np.ones(100), "no apex": [*rise, *fall[1:]]}.items():
        dmarkers.plot(tmp_path / f"{name}.png", smile(lip), 25.0)
        image = matplotlib.image.imread(tmp_path / f"{name}.png")
        pixels[name] = [near(image, colour) for colour in plotting.PHASES.values()]
    onset, apex, offset = pixels["all"]
    assert onset > 1000
    assert onset == pytest.approx(2 * apex, rel=0.15)  # 40 frames to 20
    assert onset == pytest.approx(offset, rel=0.15)
    assert pixels["none"] == [0, 0, 0]
    assert pixels["no apex"][1] == 0


def test_the_benchmark_runs(tmp_path, capsys):
    rows = benchmark.main(["--quick", "--json", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    assert "clip batch" in capsys.readouterr().out
    for row in rows:
        assert row["per_s"] == pytest.approx(row["count"] / row["call_s"])
        assert row["times_loops"] > 1
        assert 0 < row["bandwidth_share"]
    assert jax.devices()[0].device_kind in {row["device"] for row in rows}
