"""The stability benchmark, without its clips."""

import numpy as np
import pytest
from smiles import rough

from dfuse_jax.bench import clips, stability
from dfuse_jax.dmarkers import _robust
from dfuse_jax.runtime.errors import UserError


def a_result(off):
    """A result of which every number is made up."""
    group = {
        "off": {"single_face H.264": off},
        "off_median": off,
        "off_worst": off,
        "ends_frames_median": 0.0,
        "ends_frames_max": 1.5,
        "ends_ms_median": 0.0,
        "ends_ms_max": 50.0,
        "ends_within_a_frame": 7,
        "ends": 8,
    }
    return {
        "clips": group,
        "rates": group,
        "smiles": {"off_median": off, "off_95": off, "icc_at_least_0.9": 0.5, "icc_least": 0.1, "icc": [0.5] * 225},
        "classes": {"accuracy": 0.9, "auc": 0.95, "seeds": 1},
        "eye": dict.fromkeys(stability.EYES, 0.99),
        "single_face_ends": [[15.3, 22.0], [None, None], [None, None]],
    }


def test_the_table_has_a_column_a_definition():
    lines = stability.lines_of({"paper": a_result(0.4), "robust": a_result(0.05)})
    assert lines[0].split() == ["paper", "robust"]
    assert any(line.split()[-2:] == ["40.0%", "5.0%"] for line in lines)
    assert any("15.3 - 22.0" in line for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_agreement_is_written_by_feature(tmp_path):
    stability.write_agreement(tmp_path / "icc.csv", {"paper": a_result(0.4)})
    rows = (tmp_path / "icc.csv").read_text().splitlines()
    assert rows[:2] == ["feature,paper", "eye_onset_duration_increasing,0.500"]
    assert len(rows) == 226


def test_features_that_never_vary_count_neither_as_reliable_nor_as_not():
    """Of the others, four in five do not move under the noise."""

    def measure(points, fps, length, aspect):
        steady, noise = fps, points[:, 0, 0, 0]
        columns = [0 * steady] * 100 + [steady] * 100 + [noise] * 25
        return np.stack(columns, axis=1), np.full((len(fps), 3, 2), np.nan)

    rng = np.random.default_rng(0)
    fps, length, aspect = np.arange(20.0), np.full(20, 4), np.ones(20)
    noisy = [stability.Sequences(rng.standard_normal((20, 4, 11, 3)), fps, length, aspect) for _ in range(4)]
    smiles = stability.Smiles(noisy[0], noisy, labels=np.zeros(20), subjects=np.arange(20))
    plain, _ = stability.apply(measure, smiles.plain)
    result = stability.score_smiles(measure, smiles, plain, plain.std(axis=0))
    assert result["icc_at_least_0.9"] == pytest.approx(0.8)


def test_noise_is_a_share_of_the_eyes_distance_in_the_image():
    points = np.zeros((1, 500, 11, 3), np.float32)
    points[..., [3, 5], 0] = 0.25  # the left eye's corners
    sequences = stability.Sequences(points, np.ones(1, np.float32), np.full(1, 500), np.full(1, 0.5, np.float32))
    moved = stability.add_noise(sequences, np.random.default_rng(0)).points - points
    deviation = moved.std(axis=(0, 1, 2)) * (1, 0.5, 1)  # y is a fraction of the height
    np.testing.assert_allclose(deviation, 0.25 * stability.NOISE, rtol=0.05)


def test_the_sweep_at_the_chosen_parameters_is_the_definition():
    points = rough(np.random.default_rng(0), 30, "smooth").astype(np.float32)
    arguments = (points, np.float32(25), np.int32(30), np.float32(0.8))
    features, ends = stability.measure_definition(*arguments, choice="robust")
    swept, swept_ends = stability.measure_parameters(*arguments, scale=_robust.SCALE, still=_robust.STILL)
    np.testing.assert_allclose(swept, features, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(swept_ends, ends, rtol=1e-4)


def test_a_wrong_or_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        clips.track("single_face", None, cache=tmp_path, clips=tmp_path, say=lambda line: None)
    (tmp_path / "single_face.mp4").write_bytes(b"another")
    with pytest.raises(UserError, match="is not the clip that is meant"):
        clips.track("single_face", None, cache=tmp_path, clips=tmp_path, say=lambda line: None)
