"""What is seen of a training while it runs."""

import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from dfuse_jax import train
from dfuse_jax.data.folds import Replica
from dfuse_jax.report.metrics import hits


class Watch:
    """Follows the epochs: a progress bar (epoch, loss, validation accuracy, time left), and their durations."""

    def __init__(self, epochs: int, replicas: Sequence[Replica], labels: np.ndarray):
        self.bar = tqdm(total=epochs, desc="epoch", unit="epoch", smoothing=0.5)
        self.bar.set_postfix_str("compiling")
        self.replicas, self.labels = replicas, labels
        self.times = []

    def __call__(self, done: int, history: train.History) -> None:
        self.times.append(time.perf_counter())
        if done:
            right = [
                hits(self.labels[replica.val], history.probabilities[done - 1, r, : len(replica.val)])
                for r, replica in enumerate(self.replicas)
                if replica.validated
            ]
            accuracy = np.mean(np.concatenate(right))
            self.bar.set_postfix_str(f"loss {history.losses[done - 1].mean():.3f}, validation {accuracy:.1%}", False)
        self.bar.update(done - self.bar.n)

    def epoch_seconds(self) -> float | None:
        """Median over the epochs but the first, which is compiled; None if there was no other."""
        return float(np.median(np.diff(self.times)[1:])) if len(self.times) > 2 else None
