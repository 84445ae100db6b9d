"""The scikit-learn transformer."""

import itertools

import numpy as np
import pandas as pd
import pytest
from padded import compute
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from smiles import rough

from dfuse_jax import dmarkers
from dfuse_jax.data import synthetic


def make(*lengths):
    rng = np.random.default_rng(0)
    return [rough(rng, frames, "smooth").astype(np.float32) for frames in lengths]


@pytest.fixture(scope="module")
def sequences():
    return make(30, 3, 17, 24, 9, 40)


@pytest.fixture(scope="module")
def expected(sequences):
    """The features of every sequence alone, smoothed: [6, 225]."""
    return np.concatenate([dmarkers.DMarkers().transform([sequence]) for sequence in sequences])


def objects(sequences):
    array = np.empty(len(sequences), object)
    array[:] = sequences
    return array


def test_the_transformer_computes_what_compute_does(sequences):
    transformer = dmarkers.DMarkers(fps=30.0, smoothing=None).fit(sequences)
    features = transformer.transform(sequences)
    assert features.shape == (6, 225)
    alone = compute(sequences[2], fps=30.0, wide=False)
    np.testing.assert_allclose(features[2], alone, rtol=1e-3, atol=1e-2)
    assert tuple(transformer.get_feature_names_out()) == dmarkers.FEATURE_NAMES
    assert clone(transformer).get_params() == transformer.get_params()
    assert transformer.transform([]).shape == (0, 225)
    frame = clone(transformer).set_output(transform="pandas").fit_transform(sequences)
    assert tuple(frame.columns) == dmarkers.FEATURE_NAMES
    lost = sequences[1].copy()
    lost[2, 0] = np.nan
    with pytest.raises(ValueError, match="sequence 1: frame 2: point 1"):
        transformer.transform([sequences[0], lost])
    with pytest.raises(ValueError, match="sequence 0: the aspect is nan"):
        clone(transformer).set_params(aspect=np.nan).fit_transform(sequences)


INDICES = {
    "counted": range(6),
    "counted from 1": range(1, 7),
    "shuffled": [3, 0, 5, 1, 4, 2],
    "names": list("fcabed"),
    "dates": pd.date_range("2024-01-01", periods=6)[::-1],
    "not unique": [1, 1, 0, 0, 1, 0],
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_rows_are_in_the_order_of_a_series_whatever_its_index(sequences, expected, index):
    series = pd.Series(objects(sequences), index=index)
    np.testing.assert_array_equal(dmarkers.DMarkers().fit_transform(series), expected)
    order = [4, 2, 0, 5]
    np.testing.assert_array_equal(dmarkers.DMarkers().fit_transform(series.iloc[order]), expected[order])
    frame = dmarkers.DMarkers().set_output(transform="pandas").fit_transform(series)
    pd.testing.assert_index_equal(frame.index, series.index)
    np.testing.assert_array_equal(frame.to_numpy(), expected)


@pytest.mark.parametrize("container", [list, tuple, objects, iter, itertools.chain, lambda x: (s for s in x)])
def test_rows_are_in_the_order_of_iteration(sequences, expected, container):
    given = container(sequences)
    given = itertools.chain.from_iterable([sequences]) if isinstance(given, itertools.chain) else given
    np.testing.assert_array_equal(dmarkers.DMarkers().fit_transform(given), expected)


def test_a_shuffled_column_keeps_its_rows(sequences, expected):
    """The case that went wrong: rows by label instead of by position, without a word."""
    table = pd.DataFrame({"landmarks": objects(sequences), "number": range(6)}).sample(frac=1, random_state=0)
    assert table["number"].tolist() != sorted(table["number"])
    np.testing.assert_array_equal(dmarkers.DMarkers().fit_transform(table["landmarks"]), expected[table["number"]])
    chosen = ColumnTransformer([("dmarkers", dmarkers.DMarkers(), "landmarks")], remainder="passthrough")
    features = chosen.fit_transform(table)
    np.testing.assert_array_equal(features[:, :225].astype(np.float32), expected[table["number"]])


def test_cross_validation_splits_a_series_by_position(sequences):
    series = pd.Series(objects(sequences * 2), index=[f"video {n}" for n in range(12)])
    model = make_pipeline(dmarkers.DMarkers(), StandardScaler(), SVC())
    labels = np.arange(12) % 2
    folds = KFold(3, shuffle=True, random_state=0)
    scores = [cross_val_score(model, X, labels, cv=folds, error_score="raise") for X in (series, list(series))]
    np.testing.assert_array_equal(*scores)


def test_tables_and_mappings_are_refused_with_what_to_give_instead(sequences):
    table = pd.DataFrame({"landmarks": objects(sequences)})
    mapping = dict(enumerate(sequences))
    for call in ("fit", "transform", "fit_transform"):
        with pytest.raises(ValueError, match=r"X is a DataFrame, .* X\['landmarks'\]"):
            getattr(dmarkers.DMarkers(), call)(table)
        with pytest.raises(ValueError, match=r"X is a mapping, .* list\(X.values\(\)\)"):
            getattr(dmarkers.DMarkers(), call)(mapping)


def test_the_transformer_reads_samples_and_works_in_a_pipeline_with_groups():
    samples = synthetic.generate(48, 12, difference=3.0, frames=(40, 60), fps=(25.0, 50.0))
    first = samples[1]
    (row,) = dmarkers.DMarkers(smoothing=None).transform([first])
    alone = dmarkers.compute_batch([first.landmarks], first.fps, aspect=first.aspect)
    np.testing.assert_allclose(row, alone[0], rtol=1e-3, atol=1e-2)
    model = make_pipeline(dmarkers.DMarkers(), StandardScaler(), SVC())
    labels, subjects = [s.label for s in samples], [s.subject for s in samples]
    scores = cross_val_score(model, samples, labels, groups=subjects, cv=GroupKFold(4))
    assert scores.mean() > 0.75  # classes three times as far apart as in the demo
