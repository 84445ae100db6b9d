"""How good landmarks are: how many frames have a face, how much the landmarks jitter, how far the head turns.

Measured where the results are collected, not in the processes that extract: the head's pose is that of the D-Markers,
in JAX, which these start without.
"""

from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Float

from dfuse_jax import dmarkers
from dfuse_jax.extract import flags
from dfuse_jax.runtime.files import escaped
from dfuse_jax.samples import Sample

OUTER_EYE_CORNERS = 33, 263
ANGLES = ("roll", "yaw", "pitch")  # in the order of `dmarkers.head_pose`
COLUMNS = (
    *("name", "frames", "fps", "width", "height", "detection_rate", "jitter"),
    *("yaw_min", "yaw_max", "pitch_min", "pitch_max", "roll_min", "roll_max"),
    *("interpolated", *flags.NAMES),
    *("resampled", "other_faces", "error"),
)
SHORTEST = 64  # frames that head poses are computed for, or a power of 2 times as many: few programs to compile

_head_pose = jax.jit(dmarkers.head_pose)


def measure(sample: Sample, record: Mapping) -> dict:
    """Measures a sample for the manifest (JSON).

    Args:
        sample: the landmarks.
        record: of the extraction: `decoded` frames, in how many of them the face was `lost`.

    Returns:
        detection_rate: share of the frames in which the face was found. flags: {name: share of the frames}, see
        `flags`; nothing where they are not known.
        jitter: see `jitter`. roll, yaw, pitch: [least, greatest] in degrees, see `dmarkers.head_pose`.
    """
    return {
        "detection_rate": round(1 - record["lost"] / record["decoded"], 4),
        "flags": flags.shares(sample.flags),
        "jitter": jitter(sample.landmarks, sample.aspect),
        **head_turns(sample),
    }


def jitter(landmarks: Float[np.ndarray, "frames 478 3"], aspect: float) -> float | None:
    """Returns the standard deviation of the landmarks' noise in x and y, in per cent of the outer corners' distance.

    From the second differences over time, which a steady movement leaves 0 and white noise of deviation s makes
    s sqrt(6): root mean square over the landmarks, median over the frames, which a few fast ones leave alone.
    None for less than 3 frames.
    """
    if len(landmarks) < 3:
        return None
    scale = np.array([1, aspect])
    right, left = (landmarks[:, corner, :2] * scale for corner in OUTER_EYE_CORNERS)
    width = np.median(np.linalg.norm(left - right, axis=-1))
    if width == 0:
        return None
    # A frame at a time: in float64 all frames of a long video would take gigabytes.
    triples = zip(landmarks, landmarks[1:], landmarks[2:], strict=False)
    bends = [np.square((a[:, :2] - 2 * b[:, :2].astype(float) + c[:, :2]) * scale).mean() for a, b, c in triples]
    return round(float(100 * np.median(np.sqrt(np.array(bends) / 6)) / width), 4)


def head_turns(sample: Sample) -> dict[str, list[float]]:
    """Returns the least and the greatest roll, yaw and pitch of the head, in degrees."""
    points = sample.landmarks[:, np.array(dmarkers.LANDMARKS)]
    frames = SHORTEST
    while frames < len(points):
        frames *= 2
    padded = np.pad(points, ((0, frames - len(points)), (0, 0), (0, 0)), mode="edge")
    angles = np.asarray(_head_pose(padded, aspect=sample.aspect), float)
    ranges = np.stack([angles.min(axis=0), angles.max(axis=0)], axis=1).round(2).tolist()
    return dict(zip(ANGLES, ranges, strict=True))


def row(name: str, entry: Mapping) -> dict:
    """Returns a video of the manifest as a line of quality.csv: {column: value}, less what is not known."""
    if "error" in entry:
        return {"name": escaped(name), "error": escaped(entry["error"])}
    quality = entry["quality"]
    width, height = entry["size"]
    line = {"name": escaped(name), "width": width, "height": height, "interpolated": len(entry["interpolated"])}
    line |= {column: entry[column] for column in ("frames", "fps", "resampled", "other_faces")}
    line |= {column: quality.get(column) for column in ("detection_rate", "jitter")}
    line |= quality.get("flags", {})
    for angle in ANGLES:
        line[f"{angle}_min"], line[f"{angle}_max"] = quality[angle]
    return line
