"""How a synthetic face gets into the file: errors of the tracker, motion of the head, coordinates of the image."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32

from dfuse_jax.data.synthetic.muscles import modes

# In eye distances. Attention Mesh's landmarks tremble by a few thousandths of it on a still face.
JITTER = np.array([1, 1, 2], np.float32) * 0.0015  # frame by frame; depth is guessed from one image: twice as much
DRIFT = 0.014  # slowly and smoothly over the face
TREMBLE = 0.001  # the whole face, frame by frame


@dataclasses.dataclass(frozen=True)
class Camera:
    """A camera and where it sees the face.

    Attributes:
        fps: frames per second.
        image_size: (width, height) in pixels.
        eye_distance: the distance between the eyes as a fraction of the image's width.
        place: (x, y) of the middle of the face, fractions of the image's width and height.
    """

    fps: float
    image_size: tuple[int, int]
    eye_distance: float
    place: Float[np.ndarray, "2"]


def add_tracking_errors(
    rng: np.random.Generator,
    points: Float32[np.ndarray, "frames 478 3"],
    *,
    face: Float32[np.ndarray, "478 3"],
    seconds: Float[np.ndarray, " frames"],
) -> None:
    """Adds the drift and the jitter of a landmark tracker to points in face coordinates, in place."""
    fields = modes(rng, face, count=4, size=DRIFT)
    weights = slow_curves(rng, seconds, len(fields)).astype(np.float32)
    points += (weights @ fields.reshape(len(fields), -1)).reshape(points.shape)
    noise = rng.standard_normal(points.shape, np.float32)
    noise *= JITTER * np.float32(rng.lognormal(0, 0.3))
    points += noise


def film(
    rng: np.random.Generator,
    camera: Camera,
    points: Float32[np.ndarray, "frames 478 3"],
    *,
    face: Float32[np.ndarray, "478 3"],
    seconds: Float[np.ndarray, " frames"],
) -> Float32[np.ndarray, "frames 478 3"]:
    """Returns MediaPipe's coordinates of points in face coordinates, while the head turns, moves, comes and goes."""
    angles = np.radians(rng.normal(0, (4, 6, 3)) + slow_curves(rng, seconds, 3) * (2, 3, 1.5))  # pitch, yaw, roll
    travel = slow_curves(rng, seconds, 3) * (0.05, 0.04, 0.02) + rng.normal(0, TREMBLE, (len(seconds), 3))
    width, height = camera.image_size
    scale = camera.eye_distance * (1 + travel[:, 2, None]) * (1, width / height, 1)
    offset = np.pad(scale[:, :2] * travel[:, :2] + camera.place, ((0, 0), (0, 1)))
    points = np.matmul(points - face.mean(axis=0), rotations(angles).astype(np.float32))
    points *= scale[:, None].astype(np.float32)
    points += offset[:, None].astype(np.float32)
    return points


def slow_curves(
    rng: np.random.Generator, seconds: Float[np.ndarray, " frames"], count: int
) -> Float[np.ndarray, "frames count"]:
    """Returns slow random curves over time of mean square 1, with periods of 2 to 8 seconds."""
    period, phase = rng.uniform(2, 8, (3, count)), rng.uniform(0, 2 * np.pi, (3, count))
    return np.sqrt(2 / 3) * np.sin(2 * np.pi * seconds[:, None, None] / period + phase).sum(axis=1)


def rotations(angles: Float[np.ndarray, "frames 3"]) -> Float[np.ndarray, "frames 3 3"]:
    """Returns the rotations by pitch, yaw and roll in radians, to be multiplied from the right."""
    cos_pitch, cos_yaw, cos_roll = np.cos(angles.T)
    sin_pitch, sin_yaw, sin_roll = np.sin(angles.T)
    one, zero = np.ones(len(angles)), np.zeros(len(angles))

    def matrices(*rows):
        return np.moveaxis(np.array(rows), -1, 0)

    pitch = matrices((one, zero, zero), (zero, cos_pitch, -sin_pitch), (zero, sin_pitch, cos_pitch))
    yaw = matrices((cos_yaw, zero, sin_yaw), (zero, one, zero), (-sin_yaw, zero, cos_yaw))
    roll = matrices((cos_roll, -sin_roll, zero), (sin_roll, cos_roll, zero), (zero, zero, one))
    return pitch @ yaw @ roll
