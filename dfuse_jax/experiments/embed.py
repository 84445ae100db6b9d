"""The embeddings of test videos by finished runs: the paper's Fig. 4.

Every video is embedded by the model of its own fold, which has not seen it or its subject in training. An embedding is
what the last layer sees, averaged over the clips that a prediction rests on, so that the logit is linear in it.

The models of two folds have begun from other random numbers, and their spaces have nothing to do with each other. So
all numbers are computed within a fold, where one model has embedded all videos, and averaged over the folds. For the
picture alone the spaces are brought together: each model's is rotated, scaled and moved onto that of fold 1 (orthogonal
Procrustes) by up to ANCHORS videos that have trained both, never by test videos, and without labels. Distances within a
fold stay what they are, up to the scale; those between videos of different folds are as good as the alignment, whose
share of explained variance is reported. Two folds share no training videos: they are then only centred and scaled.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from dfuse_jax.data.dataset import list_subjects
from dfuse_jax.evaluate import embedding
from dfuse_jax.evaluate.embedding import Separation
from dfuse_jax.evaluate.results import as_json
from dfuse_jax.experiments import crossval, training_data, workdir
from dfuse_jax.experiments.crossval import Data
from dfuse_jax.experiments.predict import Trained, load
from dfuse_jax.report import embedding as report
from dfuse_jax.report.embedding import Embedded
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import Embedding, Portable
from dfuse_jax.train import take

ANCHORS = 256  # training videos that bring the spaces together
FEWEST = 4  # videos of which t-SNE makes a picture
PERPLEXITY = 30.0


class Fold(NamedTuple):
    """What the model of one fold and run gives.

    Attributes:
        run: from 1.
        fold: from 1.
        test: numbers of the videos.
        vectors: their embeddings.
        anchors: numbers of training videos.
        anchor_vectors: their embeddings.
    """

    run: int
    fold: int
    test: Int[np.ndarray, " test"]
    vectors: Float[np.ndarray, "test width"]
    anchors: Int[np.ndarray, " anchors"]
    anchor_vectors: Float[np.ndarray, "anchors width"]


def embed(
    runs: Sequence[str | os.PathLike], directory: str | os.PathLike, *, repetitions: int = 1, seed: int = 0
) -> dict[str, Any]:
    """Embeds the test videos of finished runs and writes figure.png, results.json, embeddings.csv and embeddings.npz.

    Args:
        runs: their folders; they are drawn side by side in this order.
        directory: for the files; made if it is missing.
        repetitions: how many of the repetitions of each cross-validation are embedded; the first one is drawn.
        seed: of t-SNE, and of what is drawn from the training videos.

    Returns:
        What results.json holds.

    Raises:
        UserError: a run is not finished or an exported model, has no embeddings, or its videos are not there; or the
            folder for the files is that of a run.
    """
    directory = pathlib.Path(directory)
    if (directory / workdir.NAME).exists():
        raise UserError(f"{directory}: belongs to a run, whose results would be written over. Name another folder.")
    trained = [load(pathlib.Path(run)) for run in runs]
    for one in trained:
        _check(one, repetitions)
    names = _distinct([one.name for one in trained])
    embedded = [_embed(one, name, repetitions=repetitions, seed=seed) for one, name in zip(trained, names, strict=True)]
    results = as_json({"format": report.FORMAT, "runs": [one.results for one in embedded], "notes": _notes(embedded)})
    report.write(directory, embedded, results)
    return results


def embed_folds(trained: Trained, data: Data, *, repetitions: int, seed: int = 0) -> list[Fold]:
    """Returns the embeddings of every fold's test videos by its own model, and those of training videos."""
    config, system = trained.config, trained.system
    assert isinstance(system, Embedding) and isinstance(system, Portable)
    inputs = crossval.shuffled(trained.system.inputs(data.samples), config["data"]["shuffle"], config["seed"])
    reference = data.folds[0].train
    pool = np.sort(np.random.default_rng(seed).permutation(reference)[:ANCHORS])
    longest = max(len(fold.test) for fold in data.folds)
    folds = []
    for number, (run, fold) in enumerate(trained.models):
        if run > repetitions:
            continue
        test, anchors = data.folds[fold - 1].test, np.intersect1d(pool, data.folds[fold - 1].train)
        # Padded by repeating videos, so that one compiled program serves all folds.
        videos = np.concatenate([np.resize(test, longest), np.resize(anchors if len(anchors) else test, len(pool))])
        model = system.unpack(system.pack(trained.fitted, [number]))
        vectors = system.embed(model, take(inputs, videos))[0].astype(float)
        folds.append(Fold(run, fold, test, vectors[: len(test)], anchors, vectors[longest : longest + len(anchors)]))
    return folds


def bring_together(folds: Sequence[Fold]) -> tuple[list[Float[np.ndarray, "test width"]], list[float] | None]:
    """Returns the test videos of one run's folds in the space of its first fold.

    Returns:
        The vectors of every fold, and the share of the anchors' variance that each alignment explains; None where folds
        share too few training videos, so that each is only centred and scaled to one size.
    """
    first = folds[0]
    shared = [np.intersect1d(first.anchors, fold.anchors) for fold in folds]
    if min(len(videos) for videos in shared) < 3:
        return [_centred(fold.vectors) for fold in folds], None
    together, explained = [], []
    for fold, videos in zip(folds, shared, strict=True):
        alignment = embedding.align(
            fold.anchor_vectors[np.searchsorted(fold.anchors, videos)],
            first.anchor_vectors[np.searchsorted(first.anchors, videos)],
        )
        together.append(alignment(fold.vectors))
        explained.append(alignment.explained)
    return together, explained


def _check(trained: Trained, repetitions: int) -> None:
    if trained.folder is None:
        raise UserError(f"{trained.name}: an exported model does not say which videos did not train it. Name its run.")
    if not isinstance(trained.system, Embedding):
        raise UserError(
            f"{trained.name}: the system {trained.system.name!r} has no embeddings, as it does not see a video as one "
            "vector before it decides. Networks have them."
        )
    most = trained.results["runs"]
    if not 1 <= repetitions <= most:
        raise UserError(f"{trained.name} has {most} repetitions, so 1 to {most} of them can be embedded.")


def _embed(trained: Trained, name: str, *, repetitions: int, seed: int) -> Embedded:
    """Returns what is written of one run."""
    data = training_data.read(trained)
    if len(data.samples) < FEWEST:
        raise UserError(f"{trained.name}: {len(data.samples)} videos are too few for a picture, expected {FEWEST}.")
    labels = np.array([sample.label for sample in data.samples], int)
    subjects = np.array(list_subjects(data.samples))
    folds = embed_folds(trained, data, repetitions=repetitions, seed=seed)
    separations = [embedding.separation(fold.vectors, labels[fold.test], subjects[fold.test]) for fold in folds]
    drawn = [fold for fold in folds if fold.run == 1]
    together, explained = bring_together(drawn)
    order = np.concatenate([fold.test for fold in drawn])
    aligned = np.concatenate(together)
    pca = PCA(2, random_state=seed).fit(aligned)
    return Embedded(
        name=name,
        videos=[data.samples[v].name for v in order],
        subjects=subjects[order],
        labels=labels[order],
        folds=np.repeat([fold.fold for fold in drawn], [len(fold.test) for fold in drawn]),
        vectors=np.concatenate([fold.vectors for fold in drawn]),
        aligned=aligned,
        pca=pca.transform(aligned),
        tsne=_tsne(aligned, seed),
        results={
            "name": name,
            "system": trained.system.name,
            "note": trained.note,
            "videos": len(order),
            "width": aligned.shape[1],
            "folds": [
                {"run": fold.run, "fold": fold.fold, "videos": len(fold.test), **separation._asdict()}
                for fold, separation in zip(folds, separations, strict=True)
            ],
            **{field: _summary([getattr(one, field) for one in separations]) for field in Separation._fields},
            "alignment": explained,
            "pca_explained": pca.explained_variance_ratio_.tolist(),
        },
    )


def _summary(values: Sequence[float | None]) -> dict[str, float] | None:
    """Returns mean and range of the values that are defined."""
    known = [value for value in values if value is not None]
    return {"mean": float(np.mean(known)), "lowest": min(known), "highest": max(known)} if known else None


def _tsne(vectors: Float[np.ndarray, "videos width"], seed: int) -> Float[np.ndarray, "videos 2"]:
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(vectors)


def _centred(vectors: Float[np.ndarray, "videos width"]) -> Float[np.ndarray, "videos width"]:
    centred = vectors - vectors.mean(axis=0)
    return centred / (np.sqrt((centred**2).sum(axis=1).mean()) or 1.0)


def _distinct(names: Sequence[str]) -> list[str]:
    """Returns the names, with a number where one is there several times."""
    return [f"{name} ({names[: n + 1].count(name)})" if names.count(name) > 1 else name for n, name in enumerate(names)]


def _notes(embedded: Sequence[Embedded]) -> list[str]:
    notes = []
    if len({tuple(sorted(one.videos)) for one in embedded}) > 1:
        notes.append("The runs are of different videos, so their numbers cannot be compared.")
    notes += [
        f"{one.name}: its folds share too few training videos to be brought together; in the picture each is only "
        "centred and scaled."
        for one in embedded
        if one.results["alignment"] is None
    ]
    return notes
