"""TensorBoard events of a training, written without TensorFlow while it runs.

Each model has a folder of its own, such as `tensorboard/validated/run01-fold03`: training loss and accuracy by epoch.
Models with a validation share have the accuracy of their validation videos, the others that of their test videos, as in
learning_curves.png.
"""

import math
import pathlib
import shutil
import struct
import time
from collections.abc import Iterator, Sequence

import numpy as np

from dfuse_jax.evaluate import metrics
from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import Progress, Replica

FOLDER = "tensorboard"  # in the folder of a run
NAME = "events.out.tfevents.dfuse"  # TensorBoard reads files with `tfevents` in their names


def are_written(asked: bool | None) -> bool:
    """Returns whether events are written: as asked, or if nobody says (None), where tensorboardX can be imported.

    Raises:
        UserError: they are asked for, and it cannot be imported.
    """
    if asked is False:
        return False
    try:
        require("tensorboardX", "tensorboard")
    except UserError:
        if asked:
            raise
        return False
    return True


class Events:
    """Writes events after every epoch. It is called as `on_epoch`.

    The history that it is given holds all epochs, those before an interruption as well. So a training that goes on
    writes its files anew, and no step is in them twice.
    """

    def __init__(self, directory: pathlib.Path, replicas: Sequence[Replica], labels: np.ndarray):
        """Empties the folder of events.

        Args:
            directory: of the run.
            replicas: that are trained.
            labels: of the videos.
        """
        self.replicas, self.labels = replicas, labels
        shutil.rmtree(directory / FOLDER, ignore_errors=True)
        self.paths = [directory / FOLDER / _name(replica) / NAME for replica in replicas]
        self.written = [0] * len(replicas)  # epochs
        for path in self.paths:
            path.parent.mkdir(parents=True)
            _append(path, [{"file_version": "brain.Event:2"}])

    def __call__(self, progress: Progress) -> None:
        """Writes the epochs that are new."""
        for r, path in enumerate(self.paths):
            events = list(self._events(progress, r))
            if events:
                _append(path, events)

    def _events(self, progress: Progress, r: int) -> Iterator[dict]:
        """Yields the fields of an event for each epoch of replica r that is not written yet."""
        replica = self.replicas[r]
        name, videos = ("validation", replica.val) if replica.validated else ("test", replica.test)
        while self.written[r] < progress.epochs:
            epoch = self.written[r]
            probabilities = progress.history.probabilities[epoch, r]
            if np.isnan(probabilities).all():  # not trained yet
                return
            first = 0 if replica.validated else len(replica.val)
            predicted = probabilities[first : first + len(videos)]
            accuracy = np.nan  # of videos that train as well, which are not predicted
            if np.isfinite(predicted).all():
                accuracy = metrics.correct(self.labels[videos], predicted).mean()
            scores = {"loss/training": progress.history.losses[epoch, r], f"accuracy/{name}": accuracy}
            values = [
                {"tag": tag, "simple_value": float(score)} for tag, score in scores.items() if math.isfinite(score)
            ]
            yield {"step": epoch + 1, "summary": {"value": values}}
            self.written[r] += 1


def _name(replica: Replica) -> str:
    kind = "validated" if replica.validated else "final"
    return f"{kind}/run{replica.run + 1:02d}-fold{replica.fold + 1:02d}"


def _append(path: pathlib.Path, events: Sequence[dict]) -> None:
    """Appends events to a file of records: length, its checksum, content, its checksum.

    tensorboardX's own writer keeps a thread and an open file for each folder, of which there may be thousands.
    """
    event_pb2 = require("tensorboardX.proto.event_pb2", "tensorboard")
    record_writer = require("tensorboardX.record_writer", "tensorboard")
    with path.open("ab") as file:
        for fields in events:
            content = event_pb2.Event(wall_time=time.time(), **fields).SerializeToString()
            length = struct.pack("<Q", len(content))
            for part in (length, content):
                file.write(part + struct.pack("<I", record_writer.masked_crc32c(part)))
