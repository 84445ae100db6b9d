"""The files of a comparison."""

import json

import pytest
from benchmarks import ACCURACIES, made_up_standings

from dfuse_jax.report import comparison


@pytest.mark.parametrize("fusions", [ACCURACIES, {"hadamard": [0.5, 1.0]}, {"hadamard": [0.5], "film_hadamard": [0.5]}])
@pytest.mark.parametrize("auc", [0.75, None])
def test_every_file_is_written_whatever_is_undefined(fusions, auc, tmp_path):
    comparison.write(tmp_path, made_up_standings(fusions, auc=auc))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(comparison.FILES)
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    for name in comparison.FILES[:4]:
        text = (tmp_path / name).read_text()
        assert "nan" not in text.lower() and "None" not in text
    assert json.loads((tmp_path / "benchmark.json").read_text())["rows"][0]["fusion"] == "hadamard"
