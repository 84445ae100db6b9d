"""How a run learned: its learning curves."""

import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dfuse_jax import plotting
from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import Outcome, verdicts
from dfuse_jax.plotting import BLUE, GREY, ORANGE


def learning_curves(path: str | os.PathLike, outcome: Outcome) -> None:
    """Training loss, accuracy on validation and test videos, and the epochs that were chosen, as a PNG.

    The loss is the mean over the replicas of a kind, with their range; an accuracy is the mean over replicas.
    """
    figure, (loss, accuracy, chosen) = plotting.figure_of(3, 6.5, (5, 5, 1))
    for kind, colour in {"validated": BLUE, "final": ORANGE}.items():
        members = [r for r, replica in enumerate(outcome.replicas) if replica.validated == (kind == "validated")]
        if members:
            _kind(loss, accuracy, outcome, members, kind, colour)
    found = verdicts(outcome)
    for row, (protocol, colour) in enumerate({"validated": BLUE, "peeked": GREY}.items()):
        at = [verdict.epoch + 1 for verdict in found[protocol]]
        chosen.plot(at, np.full(len(at), -row), "|", color=colour, markersize=11, markeredgewidth=1.4)
    loss.set(ylabel="training loss")
    accuracy.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    chosen.set(xlabel="epoch", xlim=(0.5, len(outcome.losses) + 0.5), ylim=(-1.6, 0.6))
    chosen.set(yticks=(0, -1), yticklabels=("validated", "peeked"))
    chosen.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    chosen.set_title("epoch taken, one mark a replica", fontsize=9, loc="left")
    chosen.grid(False)
    for axis in (loss, accuracy):
        axis.legend(frameon=False, fontsize=9)
    plotting.save(path, figure, outcome.name)


def _kind(loss: Axes, accuracy: Axes, outcome: Outcome, members: list[int], kind: str, colour: str) -> None:
    """Draws the replicas of one kind: the mean and range of their losses, the mean of their accuracies."""
    epochs = np.arange(1, len(outcome.losses) + 1)
    style = {"color": colour, "marker": "o" if len(epochs) == 1 else None}  # one epoch makes no line
    values = np.ma.masked_invalid(np.asarray(outcome.losses, float)[:, members])
    loss.plot(epochs, values.mean(axis=1), label=f"{kind}, {len(members)} replicas (mean, range)", **style)
    loss.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)
    videos = "validation" if kind == "validated" else "test"
    accuracy.plot(epochs, _accuracy(outcome, members), label=f"{kind}, {videos} videos (mean)", **style)


def _accuracy(outcome: Outcome, members: list[int]) -> np.ndarray:
    """[epochs] mean accuracy over the members, each on its validation videos, or on its test videos if it has none."""
    of_member = []
    for r in members:
        replica = outcome.replicas[r]
        videos, said = (replica.val, outcome.of_val(r)) if replica.validated else (replica.test, outcome.of_test(r))
        of_member.append(metrics.hits(np.asarray(outcome.labels)[videos], said).mean(axis=-1))
    return np.mean(of_member, axis=0)
