"""Systems of scikit-learn's kind: inner splits, fits that are kept, and input that gives nothing to learn."""

import csv
import dataclasses
import importlib
import shutil

import numpy as np
import pytest

from dfuse_jax import systems
from dfuse_jax.data import dataset, synthetic
from dfuse_jax.data.folds import make_folds
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import dibeklioglu15
from dfuse_jax.systems.classical import Classical, inner_splits

VARIANTS = [
    ("cohn04", {}),
    ("dibeklioglu10", {"model.classifier": "naive_bayes"}),
    ("dibeklioglu10", {"model.classifier": "neighbours"}),
    ("dibeklioglu10", {"model.classifier": "hmm"}),
    ("dibeklioglu15", {}),
]


def recipe(name, **fields):
    config = importlib.import_module(f"configs.{name}").get_config()
    config.data.update(videos=24, subjects=12)
    config.cv.update(folds=2)
    config.update_from_flattened_dict(fields)
    return config


def build(name, **fields):
    return systems.build(recipe(name, **fields).to_dict())


def few_settings(patch):
    patch.setattr(dibeklioglu15, "COSTS", (0.1, 1.0))
    patch.setattr(dibeklioglu15, "COUNTS", (10, 20))


@pytest.fixture(autouse=True)
def _few_settings(monkeypatch):
    few_settings(monkeypatch)


def test_inner_splits_keep_subjects_apart_and_are_fewer_for_small_classes():
    subjects = np.repeat(np.arange(20), 3)
    labels = np.arange(60) % 2
    splits = inner_splits(labels, subjects)
    assert len(splits) == 5
    for train, test in splits:
        assert not set(subjects[train]) & set(subjects[test])
        assert set(labels[train]) == {0, 1}
    few = (np.arange(60) % 5 == 0).astype(int)  # 12 of one class
    assert len(inner_splits(few, subjects)) == 3


def test_a_class_of_one_subject_is_refused_in_one_line():
    with pytest.raises(UserError, match="two subjects of each class"):
        inner_splits(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2]))


@pytest.fixture(
    scope="module",
    params=[
        ("cohn04", {"model.features": "timing"}),
        ("dibeklioglu10", {"model.classifier": "neighbours"}),
        ("dibeklioglu10", {"model.classifier": "hmm"}),
        ("dibeklioglu15", {"model.fusion": "late", "model.rule": "product"}),
    ],
    ids=str,
)
def finished(request, tmp_path_factory):
    name, fields = request.param
    directory = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        few_settings(patch)
        results = crossval.cross_validate(recipe(name, **fields), directory)
    return name, fields, directory, results


def test_a_run_is_reported_and_its_protocols_agree(finished):
    _, _, directory, results = finished
    assert {"report.md", "predictions.csv", "results.json"} <= {path.name for path in directory.iterdir()}
    rows = [results["protocols"][protocol]["summary"] for protocol in ("validated", "final", "peeked")]
    assert rows[0] == rows[1] == rows[2] and results["epochs"] == 1
    assert len(list((directory / "checkpoints").glob("*.skops"))) == 2  # the replicas of a fold share one


def test_killed_between_two_folds_it_goes_on_and_ends_the_same(finished, tmp_path, monkeypatch):
    name, fields, directory, _ = finished
    (tmp_path / "checkpoints").mkdir()
    kept = min((directory / "checkpoints").glob("*.skops"))
    shutil.copy(kept, tmp_path / "checkpoints")
    fit, fitted = Classical._fit_one, []
    monkeypatch.setattr(Classical, "_fit_one", lambda *args: (fitted.append(args[-1].name), fit(*args)))
    crossval.cross_validate(recipe(name, **fields), tmp_path)
    assert len(fitted) == 1 and fitted != [kept.name]
    assert (tmp_path / "predictions.csv").read_bytes() == (directory / "predictions.csv").read_bytes()


def test_it_predicts_what_it_reported_and_new_videos(finished):
    name, fields, directory, _ = finished
    trained = predict.load(directory)
    with open(directory / "predictions.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["protocol"] == "final"]
    reported = {row["video"]: (int(row["fold"]), row["probability"]) for row in rows}
    samples = crossval.read_data(recipe(name, **fields)).samples
    for sample in samples[:3]:
        fold, probability = reported[sample.name]
        np.testing.assert_allclose(trained.predict(sample)[fold - 1], float(probability), rtol=1e-3, atol=1e-5)
    (new,) = synthetic.generate(2, 1, seed=9, frames=(5, 6))[:1]
    assert np.isfinite(trained.predict(new)).all()


def test_exported_models_predict_as_in_the_folder_of_the_run(finished, tmp_path):
    name, _, directory, _ = finished
    trained = predict.load(directory)
    exported = trained.export(tmp_path / "model.npz", run=1, fold=2)
    assert f"System: {name}" in exported.card
    (sample,) = synthetic.generate(2, 1, seed=9)[:1]
    np.testing.assert_array_equal(predict.load(tmp_path / "model.npz").predict(sample), trained.predict(sample)[1:])


def test_a_file_of_another_systems_models_is_refused():
    system = build("cohn04")
    with pytest.raises(ValueError, match="not those of a classifier"):
        system.unpack({"params/bias": np.zeros((1, 3))})
    with pytest.raises(ValueError, match="a classifier cannot be read"):
        system.unpack({"classifier": np.zeros((1, 9), np.uint8), "size": np.array([9])})


def probabilities(name, samples, directory, **fields):
    """The probabilities of the test videos of the first of two folds."""
    labels, subjects = dataset.list_labels(samples), dataset.list_subjects(samples)
    replicas = make_replicas(make_folds(labels, subjects, 2), np.asarray(labels), subjects)
    system = build(name, **fields)
    history = system.fit(system.inputs(samples), replicas[:1], directory)
    return history.probabilities[0, 0, : len(replicas[0].test)]


@pytest.mark.parametrize(("name", "fields"), VARIANTS, ids=str)
def test_still_faces_give_probabilities_near_one_half(name, fields, tmp_path):
    sample = synthetic.generate(2, 1, seed=1)[0]
    still = dataclasses.replace(sample, landmarks=np.repeat(sample.landmarks[:1], 30, axis=0))
    samples = [
        dataclasses.replace(still, name=f"{i:03d}_{i % 2}", subject=f"{i // 2:03d}", label=i % 2) for i in range(16)
    ]
    np.testing.assert_allclose(probabilities(name, samples, tmp_path, **fields), 0.5, atol=0.01)


@pytest.mark.parametrize(("name", "fields"), VARIANTS, ids=str)
def test_videos_of_a_frame_or_two_count_like_any_other(name, fields, tmp_path):
    samples = [
        dataclasses.replace(sample, landmarks=sample.landmarks[: 1 + number % 3])
        for number, sample in enumerate(synthetic.generate(16, 8, seed=1))
    ]
    values = probabilities(name, samples, tmp_path, **fields)
    assert ((values >= 0) & (values <= 1)).all()


def test_a_damaged_classifier_is_refused_in_one_line(tmp_path):
    (tmp_path / "replicas.txt").write_text("fold_01.skops\n")
    (tmp_path / "fold_01.skops").write_bytes(b"not a classifier")
    with pytest.raises(UserError, match=r"fold_01\.skops: cannot be read"):
        build("cohn04").load(tmp_path, 1)
