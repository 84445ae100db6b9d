"""The learning curves of a run."""

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dfuse_jax import plotting
from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import Outcome, predictions_by_protocol
from dfuse_jax.plotting import BLUE, GREY, ORANGE


def draw_learning_curves(path: str | os.PathLike, outcome: Outcome) -> None:
    """Draws training loss, accuracy on validation and test videos, and the epochs that were chosen, as a PNG.

    The replicas with a validation share (`validated`) and those on the whole training fold (`final`) are averaged
    apart: their losses with the range, and their accuracies.
    """
    figure, (loss, accuracy, chosen) = plotting.stacked_axes(3, 6.5, (5, 5, 1))
    for kind, colour in {"validated": BLUE, "final": ORANGE}.items():
        members = [
            r
            for r, replica in enumerate(outcome.replicas)
            if replica.validated == (kind == "validated") and _is_predicted(outcome, r)
        ]
        if members:
            _draw_loss(loss, outcome, members, kind, colour)
            _draw_accuracy(accuracy, outcome, members, kind, colour)
    if np.isnan(outcome.losses).all():
        loss.text(0.5, 0.5, "no training loss", transform=loss.transAxes, ha="center")
        loss.set(yticks=())
    else:
        loss.legend(frameon=False, fontsize=9)
    accuracy.legend(frameon=False, fontsize=9)
    loss.set(ylabel="training loss")
    accuracy.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    _draw_chosen_epochs(chosen, outcome)
    plotting.save(path, figure, outcome.name)


def _style(outcome: Outcome, colour: str) -> dict:
    return {"color": colour, "marker": "o" if outcome.epochs == 1 else None}  # a single epoch makes no line


def _draw_loss(axis: Axes, outcome: Outcome, members: Sequence[int], kind: str, colour: str) -> None:
    """Draws the mean and range of the losses of the replicas of one kind."""
    epochs = np.arange(1, outcome.epochs + 1)
    losses = np.ma.masked_invalid(outcome.losses[:, members].astype(float))
    label = f"{kind}, {len(members)} replicas (mean, range)"
    axis.plot(epochs, losses.mean(axis=1), label=label, **_style(outcome, colour))
    axis.fill_between(epochs, losses.min(axis=1), losses.max(axis=1), color=colour, alpha=0.2, linewidth=0)


def _draw_accuracy(axis: Axes, outcome: Outcome, members: Sequence[int], kind: str, colour: str) -> None:
    """Draws the mean accuracy of the replicas of one kind."""
    epochs = np.arange(1, outcome.epochs + 1)
    videos = "validation" if kind == "validated" else "test"
    accuracy = np.mean([_accuracy(outcome, r) for r in members], axis=0)
    axis.plot(epochs, accuracy, label=f"{kind}, {videos} videos (mean)", **_style(outcome, colour))


def _is_predicted(outcome: Outcome, r: int) -> bool:
    """Returns whether replica r predicts the videos of its curve: where no epoch is chosen, these may train as well."""
    if outcome.epochs > 1 or not outcome.replicas[r].validated:
        return True
    return bool(np.isfinite(outcome.validation_probabilities(r)).all())


def _accuracy(outcome: Outcome, r: int) -> Float[np.ndarray, " epochs"]:
    """Returns the accuracy of replica r on its validation videos, or on its test videos if it has none of those."""
    replica = outcome.replicas[r]
    if replica.validated:
        is_correct = metrics.correct(outcome.labels[replica.val], outcome.validation_probabilities(r))
    else:
        is_correct = metrics.correct(outcome.labels[replica.test], outcome.test_probabilities(r))
    return is_correct.mean(axis=-1)


def _draw_chosen_epochs(axis: Axes, outcome: Outcome) -> None:
    """Marks the epoch that a protocol takes of each replica."""
    predictions = predictions_by_protocol(outcome)
    for row, (protocol, colour) in enumerate({"validated": BLUE, "peeked": GREY}.items()):
        epochs = [fold.epoch + 1 for fold in predictions[protocol] if fold.epoch is not None]
        axis.plot(epochs, np.full(len(epochs), -row), "|", color=colour, markersize=11, markeredgewidth=1.4)
    axis.set(xlabel="epoch", xlim=(0.5, outcome.epochs + 0.5), ylim=(-1.6, 0.6))
    axis.set(yticks=(0, -1), yticklabels=("validated", "peeked"))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=(1, 2, 5, 10)))
    axis.set_title("chosen epoch, one mark for each replica", fontsize=9, loc="left")
    axis.grid(False)
