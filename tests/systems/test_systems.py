"""Any system goes through the same cross-validation, resumption, report and prediction: two toys show it."""

import json
import pathlib
import re

import numpy as np
import pytest
import toys

import dfuse_jax
from dfuse_jax import systems
from dfuse_jax.data import synthetic
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.runtime.errors import UserError


@pytest.fixture(scope="module", autouse=True)
def _toys():
    toys.register()


class Stop(Exception):
    pass


@pytest.fixture(scope="module", params=["pixels", "logistic"])
def finished(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    return request.param, directory, crossval.cross_validate(toys.recipe(request.param), directory)


def test_a_toy_is_cross_validated_and_reported(finished):
    name, directory, results = finished
    assert results["config"]["system"] == name
    assert {path.name for path in directory.iterdir()} >= {"report.md", "predictions.csv", "results.json", "folds"}
    for protocol in ("validated", "final", "peeked", "length_only"):
        assert len(results["protocols"][protocol]["folds"]) == 3
        assert 0 <= results["protocols"][protocol]["summary"]["accuracy"]["mean"] <= 1
    assert crossval.cross_validate(toys.recipe(name), directory) is None  # it is finished


def test_one_epoch_makes_all_protocols_agree(finished):
    name, _, results = finished
    accuracies = [
        [row["accuracy"] for row in results["protocols"][protocol]["folds"]] for protocol in ("final", "peeked")
    ]
    if name == "logistic":
        assert accuracies[0] == accuracies[1] and results["epochs"] == 1
        assert results["protocols"]["final"]["summary"]["accuracy"]["mean"] > 0.6  # it reads the D-Markers
        assert results["speed"]["epoch_seconds"] is None
    else:
        assert results["epochs"] == 4 and results["speed"]["ms_per_fold_step"] > 0


def test_interrupted_it_goes_on_and_ends_the_same(finished, tmp_path, monkeypatch):
    name, directory, _ = finished
    show = crossval.ProgressBar.__call__

    def stop_after_three(bar, progress):
        show(bar, progress)
        if progress.done == 3 or progress.epochs == 1:
            raise Stop

    monkeypatch.setattr(crossval.ProgressBar, "__call__", stop_after_three)
    with pytest.raises(Stop):
        crossval.cross_validate(toys.recipe(name), tmp_path)
    assert not (tmp_path / "results.json").exists()
    monkeypatch.setattr(crossval.ProgressBar, "__call__", show)
    crossval.cross_validate(toys.recipe(name), tmp_path)
    assert (tmp_path / "predictions.csv").read_bytes() == (directory / "predictions.csv").read_bytes()


def test_it_predicts_new_videos(finished):
    name, directory, _results = finished
    trained = predict.load(directory)
    assert trained.name == f"toy-{name}"
    samples = synthetic.generate(4, 2, seed=9)
    probabilities = np.stack([trained.predict(sample) for sample in samples])
    assert probabilities.shape == (4, 3)  # three folds
    assert ((probabilities > 0) & (probabilities < 1)).all() and len(np.unique(probabilities)) > 4


def test_a_model_that_predicts_is_the_one_that_was_tested(finished):
    """Where evaluation draws no windows, the model of a fold gives its test videos what predictions.csv says."""
    name, directory, _results = finished
    if name != "logistic":
        return
    config = toys.recipe(name)
    data = crossval.read_data(config)
    trained = predict.load(directory)
    rows = [line.split(",") for line in (directory / "predictions.csv").read_text().splitlines()]
    columns = {column: rows[0].index(column) for column in ("protocol", "fold", "video", "probability")}
    final = [row for row in rows if row[columns["protocol"]] == "final"]
    folds = sorted({row[columns["fold"]] for row in final})
    for row in final:
        (sample,) = (sample for sample in data.samples if sample.name == row[columns["video"]])
        model = folds.index(row[columns["fold"]])
        np.testing.assert_allclose(trained.predict(sample)[model], float(row[columns["probability"]]), rtol=1e-4)


def test_a_control_of_features_that_a_system_does_not_see_is_refused(tmp_path):
    config = toys.recipe("pixels")
    config.data.shuffle = "dmarkers"
    with pytest.raises(UserError, match="this system does not see any"):
        crossval.cross_validate(config, tmp_path)


def test_an_unknown_system_is_refused():
    with pytest.raises(UserError, match=r"config\.system is 'magic'; it must be one of dfusesmilenet"):
        systems.build({"system": "magic"})
    assert "dfusesmilenet" in systems.names()


def test_train_knows_no_model():
    room = pathlib.Path(dfuse_jax.__file__).parent / "train"
    for path in room.glob("*.py"):
        text = path.read_text()
        assert not re.search(r"\b(478|225)\b|D-Marker|dmarker|DFuseSmile", text, re.IGNORECASE), path


def test_results_hold_only_json(finished):
    _, directory, results = finished
    assert json.loads((directory / "results.json").read_text()) == json.loads(json.dumps(results))
