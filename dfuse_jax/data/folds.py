"""Who trains, who chooses the epoch, who tests: folds and the replicas of the model that train on them (spec 6)."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Replica:
    """One model of the cross-validation: indices of the videos that train it, choose its epoch and test it.

    With an empty `val` it is trained on the whole training fold and taken at the last epoch (`final`, `peeked`);
    otherwise it is taken at the epoch that `val` chooses (`validated`). No subject is in two of the three.
    """

    run: int
    fold: int
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    @property
    def validated(self) -> bool:
        return len(self.val) > 0
