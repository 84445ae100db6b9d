"""What is seen of a training while it runs."""

import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from dfuse_jax import train
from dfuse_jax.data.folds import Replica
from dfuse_jax.evaluate.metrics import hits
from dfuse_jax.runtime import messages


class Watch:
    """Follows the epochs of all passes: a progress bar (epoch, loss, validation accuracy, time left), their durations.

    Of several processes the first shows the bar.
    """

    def __init__(self, epochs: int, replicas: Sequence[Replica], labels: np.ndarray, passes: Sequence[range]):
        disable = not messages.first()
        self.bar = tqdm(total=epochs * len(passes), desc="epoch", unit="epoch", smoothing=0.5, disable=disable)
        self.bar.set_postfix_str("compiling")
        self.epochs, self.replicas, self.labels, self.passes = epochs, replicas, labels, passes
        self.times = []

    def __call__(self, done: int, history: train.History) -> None:
        self.times.append(time.perf_counter())
        if done:
            number, epoch = divmod(done - 1, self.epochs)
            self.bar.set_postfix_str(self._news(history, epoch, self.passes[number]), False)
            if len(self.passes) > 1:
                self.bar.set_description_str(f"pass {number + 1} of {len(self.passes)}, epoch", False)
        self.bar.update(done - self.bar.n)

    def _news(self, history: train.History, epoch: int, members: range) -> str:
        news = f"loss {history.losses[epoch, members].mean():.3f}"
        right = [
            hits(self.labels[self.replicas[r].val], history.probabilities[epoch, r, : len(self.replicas[r].val)])
            for r in members
            if self.replicas[r].validated
        ]
        return f"{news}, validation {np.mean(np.concatenate(right)):.1%}" if right else news

    def epoch_seconds(self) -> float | None:
        """Of an epoch of all replicas: its median over those but the first, which is compiled; None if it was alone."""
        return float(np.median(np.diff(self.times)[1:])) * len(self.passes) if len(self.times) > 2 else None
