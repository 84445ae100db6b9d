"""The numbers of a sweep: what each setting reaches on validation videos, main effects, and what choosing is worth."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.evaluate import metrics, resampling, results
from dfuse_jax.evaluate.results import as_json

if TYPE_CHECKING:
    from dfuse_jax.train import Replica

KIND = "sweep"  # in results.json, what tells it from that of a cross-validation
FORMAT = 1
PARTS = 3  # of a range, for its main effect
SMALLEST = 1e-7  # probability of the true class that counts in the cross-entropy


@dataclasses.dataclass(frozen=True)
class Trials:
    """A finished sweep of N settings with S seeds each on F folds: R = N S F replicas, in this order.

    Attributes:
        name: of the recipe.
        note: what a reader must know before the numbers.
        axes: {name: scale} of what is swept; the scale is empty where values are listed.
        settings: [N], {name: value}, without the seed.
        seeds: [S].
        programs: the numbers of the settings that share each compiled program.
        folds: [F], with their validation shares.
        labels: 0 (posed) and 1 (spontaneous).
        subjects: of the videos.
        subjects_known: False means that every video counts as a subject of its own.
        probabilities: of spontaneous after every epoch: a fold's validation videos, then its test videos, then nan.
        seconds: duration of the whole sweep, in the process that ended it.
        epoch_seconds: duration of an epoch of all replicas, without compiling; None if it was not measured.
        config: nested and JSON-able.
    """

    name: str
    note: str
    axes: Mapping[str, str]
    settings: Sequence[Mapping[str, Any]]
    seeds: Sequence[int]
    programs: Sequence[Sequence[int]]
    folds: "Sequence[Replica]"
    labels: Int[np.ndarray, " videos"]
    subjects: Sequence[str]
    subjects_known: bool
    probabilities: Float[np.ndarray, "epochs replicas evaluated"]
    seconds: float
    epoch_seconds: float | None
    config: Mapping


class Chosen(NamedTuple):
    """What one replica predicts after the epoch that its validation videos choose.

    Attributes:
        epoch: from 0.
        validation: probabilities of the validation videos.
        test: probabilities of the test videos.
        right: the share of the validation videos that is right.
        cross_entropy: of the validation videos, in nats.
    """

    epoch: int
    validation: Float[np.ndarray, " validation"]
    test: Float[np.ndarray, " test"]
    right: float
    cross_entropy: float


def compute(trials: Trials) -> dict[str, Any]:
    """Returns what results.json holds of a sweep, in JSON's own types; None stands for an undefined number.

    Returns:
        `format`, `kind`, `name`, `note`, `versions`, `config`; `axes`, `seeds`, `epochs`, `folds`, `programs` (numbers
        of settings in each); `data`; `settings`: best first, each with its `number`, `values`, `program`, validation
        scores (of METRICS: value, low, high), `cross_entropy` and `epochs` (first and last that were chosen);
        `effects`: of each axis a list of levels with mean, low and high validation accuracy and the number of settings;
        `nested`: the test scores where each fold takes the setting that its own validation videos choose; `seconds` and
        `epoch_seconds`.
    """
    chosen = _choose(trials)
    order = _best_first([[replica for of_seed in of_setting for replica in of_seed] for of_setting in chosen])
    program_of = {member: number for number, members in enumerate(trials.programs, 1) for member in members}
    rows = [_row(trials, chosen[n], number=n + 1, program=program_of[n]) for n in order]
    return as_json(
        {
            "format": FORMAT,
            "kind": KIND,
            "name": trials.name,
            "note": trials.note,
            "versions": results.versions(),
            "config": trials.config,
            "axes": dict(trials.axes),
            "seeds": list(trials.seeds),
            "epochs": len(trials.probabilities),
            "folds": len(trials.folds),
            "programs": [len(members) for members in trials.programs],
            "data": {
                "videos": len(trials.labels),
                "subjects": len(set(trials.subjects)) if trials.subjects_known else None,
                "train": _ends([len(fold.train) for fold in trials.folds]),
                "validation": _ends([len(fold.val) for fold in trials.folds]),
                "test": _ends([len(fold.test) for fold in trials.folds]),
            },
            "settings": rows,
            "effects": _effects(trials, chosen),
            "nested": _nested(trials, chosen),
            "seconds": trials.seconds,
            "epoch_seconds": trials.epoch_seconds,
        }
    )


def _choose(trials: Trials) -> list[list[list[Chosen]]]:
    """Returns the chosen epoch of every replica, by setting, seed and fold."""
    replicas = iter(range(trials.probabilities.shape[1]))
    return [
        [[_chosen(trials, fold, next(replicas)) for fold in trials.folds] for _ in trials.seeds]
        for _ in trials.settings
    ]


def _chosen(trials: Trials, fold: "Replica", number: int) -> Chosen:
    labels = trials.labels[fold.val]
    after_epochs = trials.probabilities[:, number].astype(float)
    validation = after_epochs[:, : len(fold.val)]
    epoch = metrics.validated_epoch(labels, validation)
    of_true_class = np.where(labels == 1, validation[epoch], 1 - validation[epoch])
    # A probability that is nan is as wrong as one can be.
    entropies = np.nan_to_num(-np.log(np.clip(of_true_class, SMALLEST, 1)), nan=-math.log(SMALLEST))
    return Chosen(
        epoch=epoch,
        validation=validation[epoch],
        test=after_epochs[epoch, len(fold.val) : len(fold.val) + len(fold.test)],
        right=float(metrics.correct(labels, validation[epoch]).mean()),
        cross_entropy=float(entropies.mean()),
    )


def _best_first(candidates: Sequence[Sequence[Chosen]]) -> list[int]:
    """Returns the order of candidates: highest accuracy on validation videos, then lowest cross-entropy, then first."""
    right = np.round([np.mean([one.right for one in replicas]) for replicas in candidates], 9)
    entropy = [np.mean([one.cross_entropy for one in replicas]) for replicas in candidates]
    return np.lexsort((entropy, -right)).tolist()


def _row(trials: Trials, of_seeds: Sequence[Sequence[Chosen]], *, number: int, program: int) -> dict[str, Any]:
    replicas = [replica for of_seed in of_seeds for replica in of_seed]
    pooled = _pool(
        trials,
        [fold.val for fold in trials.folds],
        [[replica.validation for replica in of_seed] for of_seed in of_seeds],
    )
    return {
        "number": number,
        "values": trials.settings[number - 1],
        "program": program,
        "validation": {name: interval._asdict() for name, interval in resampling.bootstrap(pooled).items()},
        "cross_entropy": np.mean([replica.cross_entropy for replica in replicas]),
        "epochs": _ends([replica.epoch + 1 for replica in replicas]),
    }


def _pool(
    trials: Trials,
    videos: Sequence[Int[np.ndarray, " videos"]],
    probabilities: Sequence[Sequence[Float[np.ndarray, " videos"]]],
) -> resampling.Pooled:
    """Returns predictions [seed][fold] of videos [fold] in one; a video of several folds counts in each."""
    chosen = np.concatenate(videos)
    _, subjects = np.unique(np.asarray(trials.subjects)[chosen], return_inverse=True)
    return resampling.Pooled(
        trials.labels[chosen], subjects, np.stack([np.concatenate(of_seed) for of_seed in probabilities])
    )


def _nested(trials: Trials, chosen: Sequence[Sequence[Sequence[Chosen]]]) -> dict[str, Any]:
    """Returns the test scores where every fold takes the setting that its own validation videos choose."""
    winners = [
        _best_first([[of_seed[fold] for of_seed in of_setting] for of_setting in chosen])[0]
        for fold in range(len(trials.folds))
    ]
    predictions = [
        [chosen[winner][seed][fold].test for fold, winner in enumerate(winners)] for seed in range(len(trials.seeds))
    ]
    pooled = _pool(trials, [fold.test for fold in trials.folds], predictions)
    scores = {name: interval._asdict() for name, interval in resampling.bootstrap(pooled).items()}
    return {"numbers": [winner + 1 for winner in winners], "scores": scores}


def _effects(trials: Trials, chosen: Sequence[Sequence[Sequence[Chosen]]]) -> dict[str, list[dict[str, Any]]]:
    """Returns the levels of each axis, with the mean validation accuracy of the settings on each and its interval."""
    right = np.array(
        [[np.mean([replica.right for replica in of_seed]) for of_seed in of_setting] for of_setting in chosen]
    )
    effects = {}
    for name, scale in trials.axes.items():
        if name == "seed":
            levels = [(str(seed), right[:, number]) for number, seed in enumerate(trials.seeds)]
        else:
            values = [setting[name] for setting in trials.settings]
            levels = _levels(values, right.mean(axis=1), is_range=bool(scale))
        effects[name] = [{"level": level, "settings": len(scores), **_interval(scores)} for level, scores in levels]
    return effects


def _levels(
    values: Sequence[Any], scores: Float[np.ndarray, " settings"], *, is_range: bool
) -> list[tuple[str, Float[np.ndarray, " level"]]]:
    """Returns the levels of an axis and the scores on each: its values, or for many values of a range its thirds."""
    distinct = ordered(values)
    if not is_range or len(distinct) <= PARTS:
        return [(str(value), scores[[other == value for other in values]]) for value in distinct]
    order = np.argsort(values, kind="stable")
    return [(f"{values[part[0]]:.3g} to {values[part[-1]]:.3g}", scores[part]) for part in np.array_split(order, PARTS)]


def ordered(values: Sequence[Any]) -> list[Any]:
    """Returns the distinct values: numbers in ascending order, others as they come."""
    distinct = list({str(value): value for value in values}.values())
    numbers = all(isinstance(value, int | float) for value in distinct)
    return sorted(distinct) if numbers else distinct


def _interval(scores: Float[np.ndarray, " settings"]) -> dict[str, float]:
    """Returns the mean of the settings' accuracies and Student's t interval over the settings."""
    mean, low, high = metrics.confidence_interval(scores[None])
    return {"mean": mean, "low": low, "high": high}


def _ends(numbers: Sequence[int]) -> list[int]:
    return [min(numbers), max(numbers)]
