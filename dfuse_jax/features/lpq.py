"""Local phase quantisation (V. Ojansivu, J. Heikkila, ICISP 2008): signs of a short-time Fourier transform.

Which bit is which sign is our choice: the four frequencies in order, of each the real part, then the imaginary one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Num

WINDOW = 7  # pixels
CODES = 256


@functools.partial(jax.jit, static_argnames=("grid", "decorrelate"))
def lpq(
    picture: Num[Array | np.ndarray, "height width"], *, grid: int = 4, decorrelate: bool = True
) -> Float[Array, "grid*grid 256"]:
    """Returns the histograms of codes in grid x grid parts of a grey picture, each with a sum of 1, row by row."""
    codes = lpq_codes(picture, decorrelate=decorrelate)
    rows, columns = (np.minimum(np.arange(size) // (size // grid), grid - 1) for size in codes.shape)
    number = (jnp.asarray(rows[:, None] * grid + columns) * CODES + codes).reshape(-1)
    counts = jax.ops.segment_sum(jnp.ones(number.size, jnp.result_type(float)), number, grid**2 * CODES)
    counts = counts.reshape(grid**2, CODES)
    return counts / counts.sum(axis=1, keepdims=True)


@functools.partial(jax.jit, static_argnames="decorrelate")
def lpq_codes(
    picture: Num[Array | np.ndarray, "height width"], *, decorrelate: bool = True
) -> Int[Array, "height-6 width-6"]:
    """Returns the codes of all windows that are inside the picture.

    Args:
        picture: grey.
        decorrelate: whitens the eight values first, for pixels whose correlation is 0.9 to the power of their distance.

    Raises:
        ValueError: the picture is smaller than a window.
    """
    if picture.ndim != 2 or min(picture.shape) < WINDOW:
        raise ValueError(f"the picture has shape {picture.shape}, expected a grey one of {WINDOW} pixels at least.")
    filters = _filters()
    if decorrelate:
        filters = _whitening(filters) @ filters
    kernel = jnp.asarray(filters.reshape(-1, 1, WINDOW, WINDOW), jnp.result_type(float))
    # All filters sum to 0, so this changes nothing but rounding: of a flat picture it leaves exactly 0.
    grey = jnp.asarray(picture, float)
    values = lax.conv_general_dilated((grey - grey[0, 0])[None, None], kernel, (1, 1), "VALID", precision="highest")[0]
    return jnp.tensordot(jnp.asarray(2 ** np.arange(len(filters)), jnp.int32), (values >= 0).astype(jnp.int32), 1)


def _filters() -> Float[np.ndarray, "8 49"]:
    """Returns the window's Fourier coefficients at the frequencies (a, 0), (0, a), (a, a), (a, -a), a = 1/7."""
    y, x = np.mgrid[:WINDOW, :WINDOW] - WINDOW // 2
    waves = [np.exp(-2j * np.pi * (u * x + v * y) / WINDOW) for u, v in ((1, 0), (0, 1), (1, 1), (1, -1))]
    return np.stack([part.reshape(-1) for wave in waves for part in (wave.real, wave.imag)])


def _whitening(filters: Float[np.ndarray, "8 49"], correlation: float = 0.9) -> Float[np.ndarray, "8 8"]:
    """Returns the rotation that decorrelates the filters' values (whitening's scales change no sign)."""
    y, x = np.mgrid[:WINDOW, :WINDOW].reshape(2, -1)
    covariance = correlation ** np.hypot(x[:, None] - x, y[:, None] - y)
    # Equal eigenvalues leave the rotation open; this tells them apart.
    tilt = np.diag(1 + 1e-6 * np.arange(len(filters), 0, -1))
    _, _, rotation = np.linalg.svd(tilt @ filters @ covariance @ filters.T @ tilt)
    largest = np.abs(rotation).argmax(axis=1)
    return rotation * np.sign(rotation[np.arange(len(rotation)), largest])[:, None]
