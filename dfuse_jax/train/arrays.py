"""What training reads, as arrays: all videos end to end, and which of them each replica uses."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.train.tuning import AnyArray, Tuning


@dataclasses.dataclass(frozen=True)
class Replica:
    """A replica is one model of the cross-validation: indices of the videos that train it, choose its epoch, test it.

    With an empty `val` it is trained on the whole training fold (`final`, `peeked`); otherwise it gives up `val`, which
    chooses its epoch (`validated`). No subject is in two of the three.

    `label` holds the labels of all videos in this replica, in place of those of the inputs; None: those of the inputs.
    """

    run: int
    fold: int
    train: Int[np.ndarray, " train"]
    val: Int[np.ndarray, " val"]
    test: Int[np.ndarray, " test"]
    label: Float[np.ndarray, " videos"] | None = None

    @property
    def validated(self) -> bool:
        """Whether a share of the training fold chooses the epoch."""
        return len(self.val) > 0


class Inputs(NamedTuple):
    """The videos as a system sees them, end to end without padding; F frames, V videos.

    Attributes:
        per_frame: tree of arrays [F + 1, ...], what a network sees of each frame; the last one is zeros, for clips that
            are longer than their video.
        per_video: tree of arrays [V, ...], what it sees of each video. Every replica standardises them by the mean and
            standard deviation of its own training videos.
        first: [V], the frame at which each video begins.
        length: [V], its number of frames.
        label: [V], 1.0 spontaneous, 0.0 posed.
    """

    per_frame: Any
    per_video: Any
    first: Int[AnyArray, " videos"]
    length: Int[AnyArray, " videos"]
    label: Float[AnyArray, " videos"]


class Assignment(NamedTuple):
    """The videos of a replica and how it is trained; stacked over replicas, every array has one more axis in front.

    Attributes:
        run: [], with the next two what the replica's random numbers derive from.
        fold: [].
        validated: [].
        train: [n] indices of videos, of which the first `train_size` count.
        train_size: [].
        evaluate: [E] indices of videos: those that choose the epoch, those that test, then repeats as padding.
        tuning: the settings that may differ between replicas.
        label: [V], the labels of all videos where replicas have their own; None: those of the inputs.
    """

    run: Int[AnyArray, ""]
    fold: Int[AnyArray, ""]
    validated: Int[AnyArray, ""]
    train: Int[AnyArray, " train"]
    train_size: Int[AnyArray, ""]
    evaluate: Int[AnyArray, " evaluate"]
    tuning: Tuning
    label: Float[AnyArray, " videos"] | None = None


def end_to_end(videos: Iterable[np.ndarray], *, frames: int, dtype: Any = None) -> np.ndarray:
    """Returns all videos' frames one after another and a last one of zeros: [T, ...] each -> [F + 1, ...].

    Args:
        videos: may be a generator: besides the result only one of them is held.
        frames: of all videos together.
        dtype: of the result; None: that of the first video.
    """
    joined, start = None, 0
    for video in videos:
        if joined is None:
            joined = np.zeros((frames + 1, *video.shape[1:]), dtype or video.dtype)
        joined[start : start + len(video)] = video
        start += len(video)
    if joined is None or start != frames:
        raise ValueError(f"the videos have {start} frames, expected {frames}, and one video at least.")
    return joined


def cut(inputs: Inputs, start: Int[np.ndarray, "videos windows"], frames: int) -> Inputs:
    """Returns windows of the videos as videos of their own: `frames` frames from each start, all of a video in a row.

    A window beyond its video's end goes on with zeros.
    """
    frame = start[..., None] + np.arange(frames)
    zeros = len(jax.tree.leaves(inputs.per_frame)[0]) - 1
    index = np.where(frame < inputs.length[:, None, None], inputs.first[:, None, None] + frame, zeros)
    index = np.append(index, zeros)
    windows = start.shape[1]
    count = start.size
    return Inputs(
        per_frame=jax.tree.map(lambda x: x[index], inputs.per_frame),
        per_video=jax.tree.map(lambda x: np.repeat(x, windows, axis=0), inputs.per_video),
        first=np.arange(count, dtype=np.int32) * frames,
        length=np.full(count, frames, np.int32),
        label=np.repeat(inputs.label, windows),
    )


def take(inputs: Inputs, videos: Int[np.ndarray, " taken"]) -> Inputs:
    """Returns some of the videos, in this order; one may be taken several times."""
    first, length = np.asarray(inputs.first)[videos], np.asarray(inputs.length)[videos]
    zeros = len(jax.tree.leaves(inputs.per_frame)[0]) - 1
    frames = [np.arange(begin, begin + count) for begin, count in zip(first.tolist(), length.tolist(), strict=True)]
    index = np.concatenate([*frames, [zeros]])
    return Inputs(
        per_frame=jax.tree.map(lambda x: x[index], inputs.per_frame),
        per_video=jax.tree.map(lambda x: x[videos], inputs.per_video),
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=np.asarray(inputs.label)[videos],
    )


def as_clips(windows: Inputs) -> Any:
    """Returns what `cut` gave as clips: the tree `per_frame` with leaves [N, frames, ...]."""
    count = len(windows.length)
    return jax.tree.map(lambda x: x[:-1].reshape(count, -1, *x.shape[1:]), windows.per_frame)


def assign(replicas: Sequence[Replica], tuning: Tuning | Sequence[Tuning]) -> Assignment:
    """Stacks the replicas' videos and settings into arrays [R, ...] on the host.

    Indices are padded to the longest replica by repeating its first one.

    Args:
        replicas: R of them.
        tuning: of all replicas, or one for each.

    Raises:
        ValueError: there are more or fewer tunings than replicas, or only some replicas have labels of their own.
    """
    each = [tuning] * len(replicas) if isinstance(tuning, Tuning) else list(tuning)
    if len(each) != len(replicas):
        raise ValueError(f"there are {len(replicas)} replicas and {len(each)} tunings: pass one tuning, or one each.")
    labels = [replica.label for replica in replicas if replica.label is not None]
    if len(labels) not in (0, len(replicas)):
        raise ValueError(f"{len(labels)} of {len(replicas)} replicas have labels of their own: give all of them some.")
    return Assignment(
        run=_column(replica.run for replica in replicas),
        fold=_column(replica.fold for replica in replicas),
        validated=_column(replica.validated for replica in replicas),
        train=_padded([replica.train for replica in replicas]),
        train_size=_column(len(replica.train) for replica in replicas),
        evaluate=_padded([np.concatenate([replica.val, replica.test]) for replica in replicas]),
        tuning=Tuning.stack(each),
        label=np.stack(labels).astype(jnp.result_type(float)) if labels else None,
    )


def _column(values) -> np.ndarray:
    return np.array(list(values), np.int32)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    longest = max(len(row) for row in rows)
    return np.stack([np.concatenate([row, np.full(longest - len(row), row[0])]) for row in rows]).astype(np.int32)
