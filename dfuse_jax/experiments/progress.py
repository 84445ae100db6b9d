"""What is seen of a training while it runs."""

import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from dfuse_jax.evaluate import metrics
from dfuse_jax.runtime import messages
from dfuse_jax.train import Progress, Replica


class ProgressBar:
    """A bar of the epochs of all passes: loss, validation accuracy, time left. Of several processes the first shows it.

    It is called after every epoch, and keeps their durations.
    """

    def __init__(self, replicas: Sequence[Replica], labels: np.ndarray):
        self.replicas, self.labels = replicas, labels
        self.bar = tqdm(desc="epoch", unit="epoch", smoothing=0.5, disable=not messages.first())
        self.bar.set_postfix_str("compiling")
        self.times: list[float] = []
        self.passes = 1

    def __call__(self, progress: Progress) -> None:
        """Shows how far it is."""
        self.times.append(time.perf_counter())
        self.bar.total, self.passes = progress.total, len(progress.groups)
        if progress.done:
            number, epoch = divmod(progress.done - 1, progress.epochs)
            self.bar.set_postfix_str(self._scores(progress, epoch, progress.groups[number]), refresh=False)
            if self.passes > 1:
                self.bar.set_description_str(f"pass {number + 1} of {self.passes}, epoch", refresh=False)
        self.bar.update(progress.done - self.bar.n)
        self.bar.refresh()

    def epoch_seconds(self) -> float | None:
        """Returns the seconds that an epoch of all replicas takes: the median of all but the first, which compiles.

        None if there was no other.
        """
        return float(np.median(np.diff(self.times)[1:])) * self.passes if len(self.times) > 2 else None

    def close(self) -> None:
        """Ends the bar."""
        self.bar.close()

    def _scores(self, progress: Progress, epoch: int, members: range) -> str:
        losses = progress.history.losses[epoch, members.start : members.stop]
        scores = [f"loss {np.mean(losses):.3f}"] if np.isfinite(losses).all() else []
        validated = [r for r in members if self.replicas[r].validated]
        if validated and progress.epochs > 1:  # where no epoch is chosen, validation videos may train as well
            correct = [self._correct(progress, epoch, r) for r in validated]
            scores.append(f"validation {np.mean(np.concatenate(correct)):.1%}")
        return ", ".join(scores)

    def _correct(self, progress: Progress, epoch: int, number: int) -> np.ndarray:
        val, own = self.replicas[number].val, self.replicas[number].label
        labels = self.labels if own is None else own
        return metrics.correct(labels[val], progress.history.probabilities[epoch, number, : len(val)])
