"""How a synthetic face reaches the file: the tracker's errors, the head's motion, the image's coordinates."""

import numpy as np

from dfuse_jax.data.synthetic.muscles import modes

# Of the eye distance. Attention Mesh's landmarks tremble by a few thousandths of it on a still face.
JITTER = np.array([1, 1, 2], np.float32) * 0.0015  # frame by frame; depth is guessed from one image: twice as much
DRIFT = 0.006  # slowly and smoothly over the face
TREMBLE = 0.001  # the whole face, frame by frame


def track(rng: np.random.Generator, face: np.ndarray, seconds: np.ndarray, points: np.ndarray) -> None:
    """Adds a landmark tracker's errors to `points`, [T, 478, 3] of the face `face`, in place."""
    fields = modes(rng, face, 4, DRIFT)
    weights = slow(rng, seconds, len(fields)).astype(np.float32)
    points += (weights @ fields.reshape(len(fields), -1)).reshape(points.shape)
    noise = rng.standard_normal(points.shape, np.float32)
    noise *= JITTER * np.float32(rng.lognormal(0, 0.3))
    points += noise


def film(rng: np.random.Generator, person: dict, seconds: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Face coordinates [T, 478, 3] -> MediaPipe's, while the head turns, moves and comes and goes.

    `person` holds `face`, `image_size` (width, height), `eye_distance` (of the image's width) and `place` (x, y of the
    face's middle in the image).
    """
    angles = np.radians(rng.normal(0, (4, 6, 3)) + slow(rng, seconds, 3) * (2, 3, 1.5))  # pitch, yaw, roll
    travel = slow(rng, seconds, 3) * (0.05, 0.04, 0.02) + rng.normal(0, TREMBLE, (len(seconds), 3))
    width, height = person["image_size"]
    scale = person["eye_distance"] * (1 + travel[:, 2, None]) * (1, width / height, 1)
    offset = np.pad(scale[:, :2] * travel[:, :2] + person["place"], ((0, 0), (0, 1)))
    points = np.matmul(points - person["face"].mean(axis=0), rotations(angles).astype(np.float32))
    points *= scale[:, None].astype(np.float32)
    points += offset[:, None].astype(np.float32)
    return points


def slow(rng: np.random.Generator, seconds: np.ndarray, count: int) -> np.ndarray:
    """[T, count]: slow random curves of mean square 1, periods of 2 to 8 seconds."""
    period, phase = rng.uniform(2, 8, (3, count)), rng.uniform(0, 2 * np.pi, (3, count))
    return np.sqrt(2 / 3) * np.sin(2 * np.pi * seconds[:, None, None] / period + phase).sum(axis=1)


def rotations(angles: np.ndarray) -> np.ndarray:
    """[T, 3] pitch, yaw and roll in radians -> [T, 3, 3], to be multiplied from the right."""
    (a, b, c), (sa, sb, sc) = np.cos(angles.T), np.sin(angles.T)
    one, zero = np.ones(len(angles)), np.zeros(len(angles))

    def matrices(*rows):
        return np.moveaxis(np.array(rows), -1, 0)

    pitch = matrices((one, zero, zero), (zero, a, -sa), (zero, sa, a))
    yaw = matrices((b, zero, sb), (zero, one, zero), (-sb, zero, b))
    roll = matrices((c, -sc, zero), (sc, c, zero), (zero, zero, one))
    return pitch @ yaw @ roll
