"""How much a protocol computes: the training steps and evaluated batches of all its folds, epochs and runs."""

from typing import NamedTuple

VIDEOS = {"uva_nemo": 1240, "mmi": 184, "spos": 80, "bbc": 20}
FRAMES = 200  # of a video, about: UvA-NEMO's have 199


class Protocol(NamedTuple):
    """A cross-validation; the defaults are the paper's (section 4.1), once.

    Attributes:
        videos: of the database.
        folds: of the cross-validation.
        runs: how often all folds are trained.
        epochs: of a training.
        batch_size: clips in a step.
        eval_windows: clips of a video in evaluation.
        validation_share: of the training videos, by which the models that choose their epoch are stopped.
    """

    videos: int
    folds: int
    runs: int = 1
    epochs: int = 300
    batch_size: int = 16
    eval_windows: int = 5
    validation_share: float = 0.1

    @property
    def fold_steps(self) -> int:
        """The training steps of one model a fold, on its whole training fold: what was published."""
        return self._epochs * self._steps(1)

    def hours_published(self, step_ms: float) -> float:
        """Returns the hours of `fold_steps`, of a step's milliseconds."""
        return self.fold_steps * step_ms / 3.6e6

    def hours_all(self, step_ms: float, batch_ms: float) -> float:
        """Returns the hours of a cross-validation here.

        Beside the published models it trains those that choose their epoch by held-out subjects, and evaluates both
        after every epoch.

        Args:
            step_ms: milliseconds of a training step of one fold.
            batch_ms: of the evaluation of as many clips.
        """
        chosen = self._steps(1 - self.validation_share) * step_ms
        evaluated = 2 * self.videos / self.folds + self.validation_share * self._trained
        evaluation = self.eval_windows * evaluated / self.batch_size * batch_ms
        return self.hours_published(step_ms) + self._epochs * (chosen + evaluation) / 3.6e6

    @property
    def _epochs(self) -> int:
        return self.runs * self.folds * self.epochs

    @property
    def _trained(self) -> float:
        """The training videos of a fold."""
        return self.videos * (1 - 1 / self.folds)

    def _steps(self, share: float) -> int:
        """Returns the training steps of an epoch on a share of a fold's training videos."""
        return max(int(self._trained * share) // self.batch_size, 1)
