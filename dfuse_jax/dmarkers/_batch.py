"""D-Markers of many sequences at once."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import numpy as np

from dfuse_jax.dmarkers._compute import compiled_features
from dfuse_jax.dmarkers._definitions import check_options
from dfuse_jax.dmarkers._points import LANDMARKS, check_shape, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jax import Array
    from jaxtyping import Float, Int, Num
    from numpy.typing import ArrayLike

FRAMES_PER_CALL = 2**14  # few long sequences or many short ones: it bounds the memory
# Sequences are padded to 64 frames (clips), 1,024 (videos), 4,096, 16,384, ...: compiling one more shape takes seconds,
# a thousand frames of padding half a millisecond.
CLIP, VIDEO, GROWTH = 64, 1024, 4


def compute_batch(
    sequences: Iterable[Num[ArrayLike, "frames points 3"]],
    fps: Float[ArrayLike, "*sequences"],
    *,
    aspect: Float[ArrayLike, "*sequences"] = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Float[np.ndarray, "sequences 225"]:
    """Computes the D-Markers of many sequences of any lengths, as `compute` does one by one.

    Sequences are padded to few shapes, and what is compiled for one of them serves every later call of the process. It
    takes concrete arrays, outside `jax.jit`; inside, use `jax.vmap(compute)` with `length`.

    Args:
        sequences: N arrays [T, 478, 3] or [T, 11, 3] (Table 1's points), T >= 1 and different for each, in MediaPipe's
            coordinates; for `authors`, min-max scaled. They are read once, one after another: a generator need not
            hold all of them in memory.
        fps: frames per second, one number or one for each sequence; ignored by `authors`.
        aspect: image height / width, one number or one for each sequence; ignored by `authors`.
        definition: "paper", "robust" or "authors", as for `compute`.
        smoothing: None, or "4253H" (not for "robust"), as for `compute`.

    Returns:
        [N, 225] in JAX's precision, in the order of FEATURE_NAMES. A row is NaN where `compute` gives NaN.

    Raises:
        ValueError: for a wrong shape, which names the sequence; for fps or aspect of another number; for an unknown
            option.
    """
    check_options(definition=definition, smoothing=smoothing)
    program = functools.partial(compute_padded, definition=definition, smoothing=smoothing)
    return map_batch(program, sequences, fps, aspect=aspect)


def map_batch(
    program: Callable[[Array, Array, Array, Array], Array],
    sequences: Iterable[Num[ArrayLike, "frames points 3"]],
    fps: Float[ArrayLike, "*sequences"],
    *,
    aspect: Float[ArrayLike, "*sequences"] = 1.0,
) -> Float[np.ndarray, "sequences ..."]:
    """Calls a compiled program with many sequences of any lengths, padded to few shapes.

    Args:
        program: takes points [B, T, 11, 3], fps [B], length [B] and aspect [B], and returns [B, ...] of a shape that
            does not depend on T; such as `jax.jit(jax.vmap(function))`.
        sequences: N arrays [T, 478, 3] or [T, 11, 3], as for `compute_batch`.
        fps: frames per second, one number or one for each sequence.
        aspect: image height / width, one number or one for each sequence.

    Returns:
        [N, ...], what the program returns for each sequence.

    Raises:
        ValueError: for a wrong shape, which names the sequence; for fps or aspect of another number.
    """
    points = [_read(number, sequence) for number, sequence in enumerate(sequences)]
    dtype = jax.dtypes.canonicalize_dtype(np.result_type(np.float32, *(p.dtype for p in points)))
    fps = _one_each("fps", fps, len(points)).astype(dtype)
    aspect = _one_each("aspect", aspect, len(points)).astype(dtype)
    results = None
    padded_lengths = np.array([_padded_length(len(p)) for p in points], int)
    for frames in np.unique(padded_lengths):
        (numbers,) = np.nonzero(padded_lengths == frames)
        rows = max(FRAMES_PER_CALL // frames, 1)
        for start in range(0, len(numbers), rows):
            chosen = numbers[start : start + rows]
            filled = np.resize(chosen, rows)  # the last call takes some sequences twice, to be of the same shape
            padded, length = _pad([points[number] for number in filled], frames, dtype)
            result = jax.device_get(program(*jax.device_put((padded, fps[filled], length, aspect[filled]))))
            if results is None:
                results = np.zeros((len(points), *result.shape[1:]), result.dtype)
            results[chosen] = result[: len(chosen)]
    if results is None:  # no sequences
        shapes = jax.eval_shape(program, np.zeros((1, CLIP, len(LANDMARKS), 3), dtype), *np.ones((3, 1), dtype))
        results = np.zeros((0, *shapes.shape[1:]), shapes.dtype)
    return results


@functools.partial(jax.jit, static_argnames=("definition", "smoothing"))
def compute_padded(
    points: Float[Array, "sequences frames 11 3"],
    fps: Float[Array, " sequences"],
    length: Int[Array, " sequences"],
    aspect: Float[Array, " sequences"],
    *,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Float[Array, "sequences 225"]:
    """Computes the D-Markers of sequences that are padded to one length."""
    one = functools.partial(compiled_features, definition=definition, smoothing=smoothing)
    return jax.vmap(one)(points, fps, length, aspect)


def _padded_length(frames: int) -> int:
    if frames <= CLIP:
        return CLIP
    padded = VIDEO
    while padded < frames:
        padded *= GROWTH
    return padded


def _read(number: int, sequence: ArrayLike) -> Num[np.ndarray, "frames 11 3"]:
    """Returns a copy of Table 1's points alone, so that the other landmarks need not stay in memory."""
    landmarks = np.asarray(sequence)
    try:
        check_shape(landmarks.shape)
    except ValueError as error:
        raise ValueError(f"sequence {number}: {error}") from error
    return select(landmarks)


def _pad(
    sequences: Sequence[np.ndarray], frames: int, dtype: np.dtype
) -> tuple[Float[np.ndarray, "sequences frames 11 3"], Int[np.ndarray, " sequences"]]:
    """Returns the sequences as one array, zeros after each one's end, and their lengths."""
    padded = np.zeros((len(sequences), frames, len(LANDMARKS), 3), dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded, np.array([len(sequence) for sequence in sequences], np.int32)


def _one_each(name: str, values: ArrayLike, count: int) -> Float[np.ndarray, " sequences"]:
    values = np.asarray(values)
    if values.shape not in ((), (count,)):
        raise ValueError(f"{name} has shape {values.shape}, expected one number or one for each of {count} sequences.")
    return np.broadcast_to(values, (count,))
