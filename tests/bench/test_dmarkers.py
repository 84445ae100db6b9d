"""The D-Marker benchmark. No test looks at a time."""

import json

import jax
import pytest

from dfuse_jax.bench import dmarkers as benchmark


def test_the_benchmark_runs(tmp_path, capsys):
    rows = benchmark.main(["--quick", "--json", str(tmp_path / "out.json")])
    assert json.loads((tmp_path / "out.json").read_text()) == rows
    printed = capsys.readouterr().out
    assert "clip batch" in printed and "compute_batch" in printed
    for row in rows:
        assert row["per_s"] == pytest.approx(row["count"] / row["call_s"])
    for row in rows[:-1]:
        assert row["times_loops"] > 1
        assert 0 < row["bandwidth_share"]
    assert jax.devices()[0].device_kind in {row["device"] for row in rows}
