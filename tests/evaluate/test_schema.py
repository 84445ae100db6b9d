"""The schemas of results.json, evaluation.json and benchmark.json, against what is written."""

import copy
import json
import pathlib

import jsonschema
import numpy as np
import pytest
from outcomes import only, outcome, outcome_without_epochs

from dfuse_jax.evaluate import matrix, results, schema, sweep, transfer
from dfuse_jax.evaluate.matrix import Design
from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.evaluate.transfer import Videos
from dfuse_jax.report.comparison import compute_standings, standings

ROOT = pathlib.Path(__file__).resolve().parents[2]
GROUPS = {"sex": ["female", "male"] * 3}


def validate(content, kind):
    jsonschema.Draft202012Validator(schema.read(kind)).validate(content)


@pytest.mark.parametrize("kind", schema.KINDS)
def test_schemas_are_schemas(kind):
    jsonschema.Draft202012Validator.check_schema(schema.read(kind))


def test_their_version_is_the_format_that_is_written():
    written = {
        "results": results.FORMAT,
        "transfer": matrix.FORMAT,
        "sweep": sweep.FORMAT,
        "evaluation": transfer.FORMAT,
        "benchmark": standings.FORMAT,
    }
    assert {kind: schema.read(kind)["properties"]["format"]["const"] for kind in schema.KINDS} == written


@pytest.mark.parametrize(
    "made",
    [
        outcome(groups=GROUPS),
        outcome(subjects_known=False),
        outcome_without_epochs(),
        only(outcome(), [0, 2]),
        outcome(labels=np.zeros(6, int)),
    ],
    ids=["whole", "unknown subjects", "no epochs", "no validation share", "one class"],
)
def test_results_are_as_their_schema_says(made):
    validate(compute_results(made), "results")


def test_what_is_not_in_the_schema_or_missing_is_noticed():
    computed = compute_results(outcome())
    for change in (
        lambda content: content.update(new=1),
        lambda content: content.pop("roc"),
        lambda content: content.update(format=2),
        lambda content: content["protocols"]["final"]["summary"]["auc"].update(mean=90.0),  # percent
    ):
        changed = copy.deepcopy(computed)
        change(changed)
        with pytest.raises(jsonschema.ValidationError):
            validate(changed, "results")


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 0, 0, 0]])
def test_evaluations_are_as_their_schema_says(trained, labels):
    videos = Videos(list("abcd"), [*"uvw", None], np.array(labels), np.array([10, 20, 30, 40]))
    numbers = transfer.compute(videos, np.random.default_rng(0).random((3, 4)), videos if trained else None, {})
    validate(numbers | {"name": "a", "note": "b", "source": "c", "cautions": []}, "evaluation")


def test_transfers_are_as_their_schema_says():
    design = Design(
        rows=["old", "new"],
        columns=["old", "new"],
        column_of_video=np.array([0, 1, 0, 0, 1, 1]),
        row_of_fold=[1, 0],
        sources=["folder", "synthetic"],
        subjects_known=[True, False],
        fps=[(25.0, 50.0), (25.0, 30.0)],
    )
    validate(matrix.compute(outcome(), design) | {"left_out": []}, "transfer")


def test_benchmarks_are_as_their_schema_says():
    whole = compute_results(outcome())
    facts = {"equations": "12", "sees_encoder": True, "parameters": None}
    both = compute_standings({"film": whole, "none": whole}, dict.fromkeys(("film", "none", "hadamard"), facts))
    validate(json.loads(json.dumps(both)), "benchmark")


def test_the_docs_describe_every_field():
    text = (ROOT / "docs" / "reports.md").read_text()
    for kind in schema.KINDS:
        assert not [name for name in schema.read(kind)["properties"] if f"`{name}`" not in text], kind


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'card'"):
        schema.read("card")
