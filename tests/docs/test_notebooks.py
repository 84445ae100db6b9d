"""The tutorials: what is committed, and what a fresh kernel makes of them."""

import json
import os
import pathlib
import re
import sys

import numpy as np
import pytest
from scripts import ROOT

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


def execute(name, folder, values):
    """Runs a tutorial in a fresh kernel and returns what the expressions `values` are worth at its end."""
    notebook = nbformat.read(ROOT / "docs" / "tutorials" / f"{name}.ipynb", as_version=4)
    entries = ", ".join(f"{key!r}: {expression}" for key, expression in values.items())
    last = f"import json, numpy\nprint(json.dumps({{{entries}}}, default=lambda value: numpy.asarray(value).tolist()))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    commands = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PATH": commands, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"}
    client = nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    return json.loads(notebook.cells[-1].outputs[-1]["text"])


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_committed_tutorial_holds_the_clean_outputs_of_one_run(path):
    assert path.stat().st_size < 300_000
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    text = json.dumps([output.get("text") or output["data"].get("text/plain", "") for output in outputs])
    assert not re.search(r"(^|[\s'\"(=])/\w+/\w", text), "a path of the machine on which it ran"
    assert "Warning" not in text
    assert "it/s]" not in text


@pytest.mark.slow
def test_video_to_svm_finds_the_synthetic_difference_and_no_other(tmp_path):
    values = execute(
        "video_to_svm",
        tmp_path,
        {
            "features": "len(features)",
            "accuracy": "accuracy.mean()",
            "length": "evaluate_length(samples)",
            "alike": "evaluate_svm(alike)[0].mean()",
            "cut": "evaluate_svm(cut_differently)[0].mean()",
            "shared": "[len(set(subjects[a]) & set(subjects[b])) for a, b in folds.split(labels, labels, subjects)]",
        },
    )
    assert values["features"] == 225
    assert values["shared"] == [0] * 5
    assert values["length"] == [0.5] * 5  # each pair has one length
    assert values["accuracy"] > 0.75
    assert 0.35 < values["alike"] < 0.65 < values["cut"]


@pytest.mark.slow
def test_compare_fusions_ranks_three_on_the_folder(tmp_path):
    values = execute(
        "compare_fusions",
        tmp_path,
        {
            "fusions": "sorted(row['fusion'] for row in standings['rows'])",
            "ranks": "[row['rank'] for row in standings['rows']]",
            "files": "len(list(folder.glob('*.npz')))",
            "pairs": "[[pair['p'], pair['p_holm']] for pair in standings['pairs']]",
            "critical": "significance.critical_difference(3, 5)",
        },
    )
    assert values["fusions"] == ["film", "hadamard", "none"]
    assert values["files"] == 60
    assert sum(values["ranks"]) == pytest.approx(6)  # 1 + 2 + 3
    assert all(p <= holm for p, holm in values["pairs"])
    assert values["critical"] == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 5)), abs=2e-3)  # Demsar 2006, table 5


@pytest.mark.slow
def test_inside_jax_differentiates_and_trains(tmp_path):
    values = execute(
        "inside_jax",
        tmp_path,
        {
            "shape": "features.shape",
            "used": "used",
            "around_peak": "around_peak[corners, 0]",
            "in_first": "in_first[corners, 0]",
            "push": "np.isfinite(push).all() and np.any(push != 0)",
            "points": "list(dmarkers.LANDMARKS)",
            "losses": "[losses[0], losses[-1]]",
            "accuracy": "np.mean((logits > 0) == labels[test])",
            "shared": "len(set(subjects[train]) & set(subjects[test]))",
        },
    )
    assert values["shape"] == [80, 225]
    assert values["used"]
    assert set(values["used"]) <= set(values["points"])
    right, left = values["around_peak"]  # right of the person: left in the picture
    assert right < 0 < left  # a smile grows when the corners move apart
    right, left = values["in_first"]
    assert left < 0 < right  # or when they were close together at first, which is the unit (eq. 7)
    assert values["push"]
    assert values["losses"][1] < values["losses"][0] / 2
    assert values["accuracy"] > 0.65
    assert values["shared"] == 0
