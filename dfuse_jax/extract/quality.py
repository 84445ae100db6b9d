"""How good landmarks are: how many frames have a face, how much the landmarks jitter, how far the head turns."""

from collections.abc import Mapping

import numpy as np

from dfuse_jax.samples import Sample

OUTER_EYE_CORNERS = 33, 263
EYES, NOSE_TIP = ((33, 133), (362, 263)), 1  # as the D-Markers' head pose: spec of section 3.2
COLUMNS = (
    *("name", "frames", "fps", "width", "height", "detection_rate", "jitter"),
    *("yaw_min", "yaw_max", "pitch_min", "pitch_max", "roll_min", "roll_max"),
    *("interpolated", "resampled", "other_faces", "error"),
)


def measure(sample: Sample, lost: int, decoded: int) -> dict:
    """Numbers for the manifest (JSON).

    Args:
        sample: the landmarks.
        lost: frames of the video in which no face was found.
        decoded: its frames.

    Returns:
        detection_rate: share of the frames in which the face was found. jitter: see `jitter`. roll, yaw, pitch: [least,
        greatest] in degrees, see `head_pose`.
    """
    angles = head_pose(sample.landmarks, sample.aspect)
    ranges = np.stack([angles.min(axis=0), angles.max(axis=0)], axis=1).round(2).tolist()
    shown = {"detection_rate": round(1 - lost / decoded, 4), "jitter": jitter(sample.landmarks, sample.aspect)}
    return shown | dict(zip(("roll", "yaw", "pitch"), ranges, strict=True))


def jitter(landmarks: np.ndarray, aspect: float) -> float | None:
    """Standard deviation of the landmarks' noise in x and y, in per cent of the distance of the outer eye corners.

    From the second differences over time, which a steady movement leaves 0 and white noise of deviation s makes
    s sqrt(6): root mean square over the landmarks, median over the frames, which a few fast ones leave alone.
    None for less than 3 frames.
    """
    if len(landmarks) < 3:
        return None
    points = landmarks[..., :2].astype(float) * (1, aspect)
    right, left = (points[:, corner] for corner in OUTER_EYE_CORNERS)
    width = np.median(np.linalg.norm(left - right, axis=-1))
    bend = np.sqrt((np.diff(points, 2, axis=0) ** 2).mean(axis=(1, 2)) / 6)
    return round(float(100 * np.median(bend) / width), 4) if width > 0 else None


def head_pose(landmarks: np.ndarray, aspect: float) -> np.ndarray:
    """`dfuse_jax.dmarkers.head_pose` in NumPy, so that no process that extracts need start JAX.

    Returns:
        [T, 3], roll, yaw and pitch in degrees, pitch from what it was in frame 0.
    """
    points = landmarks.astype(float) * (1, aspect, 1)
    right, left = (points[:, corners].mean(axis=1) for corners in EYES)
    x = _unit(left - right)
    z = _unit(np.cross(x, points[:, NOSE_TIP] - (right + left) / 2))
    y = np.cross(z, x)
    pitch = np.arctan2(-y[:, 2], z[:, 2])
    roll, yaw = np.arctan2(x[:, 1], x[:, 0]), np.arctan2(x[:, 2], np.hypot(x[:, 0], x[:, 1]))
    return np.degrees(np.stack([roll, yaw, pitch - pitch[0]], axis=1))


def row(name: str, entry: Mapping) -> dict:
    """One video of the manifest as a line of quality.csv: {column: value}, less what is not known."""
    if "error" in entry:
        return {"name": name, "error": entry["error"]}
    found = entry["quality"]
    ranges = {
        f"{angle}_{end}": found[angle][i] for angle in ("yaw", "pitch", "roll") for i, end in enumerate(("min", "max"))
    }
    width, height = entry["size"]
    shown = {"name": name, "width": width, "height": height, "interpolated": len(entry["interpolated"])}
    same = {key: entry[key] for key in ("frames", "fps", "resampled", "other_faces")}
    return shown | same | ranges | {key: found[key] for key in ("detection_rate", "jitter")}


def _unit(vectors):
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, np.inf)
