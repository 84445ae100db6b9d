"""Landmarks for the tests of D-Markers: Table 1's eleven points of a face, and smiles whose signals are known."""

import jax
import numpy as np

# Metric: x to the person's left, y down, z away from the camera. Both eyes are 0.1 wide; the nose stands out.
FACE = np.array(
    [
        *([0.30, 0.40, 0.00], [0.35, 0.37, 0.00], [0.40, 0.40, 0.00]),  # right eye: outer corner, lid, inner corner
        *([0.50, 0.40, 0.00], [0.55, 0.37, 0.00], [0.60, 0.40, 0.00]),  # left eye
        *([0.33, 0.55, 0.00], [0.57, 0.55, 0.00]),  # cheeks
        [0.45, 0.50, -0.05],  # tip of the nose
        *([0.40, 0.65, 0.00], [0.50, 0.65, 0.00]),  # lip corners
    ]
)
LIP_CORNERS = slice(9, 11)


def precision(wide: bool):
    """A context in which JAX computes in float64 (or float32), and which leaves no trace."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(wide)
    from jax.experimental import enable_x64

    return enable_x64(wide)


def smile(lip) -> np.ndarray:
    """[T, 11, 3]: the face, its lip corners so far apart that D_lip is `lip` times D_lip of a mouth at rest (1/2).

    The corners move along x about their midpoint, so with lip[0] = 1 each side is lip / 2, and so is D_lip.
    """
    lip = np.asarray(lip, float)
    points = np.tile(FACE, (len(lip), 1, 1))
    points[:, 9, 0], points[:, 10, 0] = 0.45 - 0.05 * lip, 0.45 + 0.05 * lip
    return points


def rough(rng, frames: int, kind: str = "jittery") -> np.ndarray:
    """[T, 11, 3] whose features are generic: every point moves, in one of four ways, and the head turns a little."""
    if kind == "smooth":
        steps = rng.normal(size=(6, 11, 3))
        moves = np.stack([np.sin((k + 1) * np.linspace(0, 3, frames)) for k in range(6)], 1) @ steps.reshape(6, 33) / 6
    elif kind == "jittery":
        moves = 0.3 * rng.normal(size=(frames, 33)).cumsum(0)
    elif kind == "tied":  # the whole face stands still in two frames of three: exact ties and plateaus
        moves = np.repeat(rng.normal(size=(frames // 3 + 1, 33)).cumsum(0), 3, axis=0)[:frames]
    else:
        moves = rng.normal(size=(frames, 33))
    return FACE + 0.01 * moves.reshape(frames, 11, 3)


def rotation(rng) -> np.ndarray:
    """[3, 3]: a random rotation, of any size."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def batch(count=6, frames=20, dtype=np.float32):
    rng = np.random.default_rng(3)
    points = np.stack([rough(rng, frames, "smooth") for _ in range(count)]).astype(dtype)
    return points, np.linspace(20, 50, count).astype(dtype), rng.integers(5, frames + 1, count)
