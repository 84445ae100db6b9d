"""Tiles of rows, interpreted: what they drop, and what they sum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models.kernels import rows
from dfuse_jax.models.kernels.rows import Axis
from dfuse_jax.models.layers import Drop

CLIPS, FRAMES, TOKENS = 3, 5, 6


@pytest.mark.parametrize("width", [4, 24, 64])
@pytest.mark.parametrize(("axis", "number"), [(Axis(FRAMES, inner=TOKENS), 1), (Axis(TOKENS), 2)])
def test_a_tile_drops_what_dropout_drops_where_the_axis_is_the_last(axis, number, width):
    drop = Drop(jnp.asarray([7, 11], jnp.uint32), jnp.asarray(2**14, jnp.uint32))
    x = jnp.ones((CLIPS, FRAMES, TOKENS, width), jnp.float32)

    def kernel(tile, operands, out):
        tile.store(out, tile.dropping(operands[1], axis, jnp.float32)(tile.load(operands[0])))

    matrix = x.reshape(-1, width)
    like = jax.ShapeDtypeStruct(matrix.shape, matrix.dtype)
    ours, _ = rows.launch(kernel, (matrix, rows.pack(drop)), like, shape=matrix.shape, name="drop")
    expected = jnp.swapaxes(drop(jnp.swapaxes(x, number, 2)), number, 2)
    np.testing.assert_allclose(ours.reshape(x.shape), expected, rtol=1e-6)
    assert 0.15 < np.mean(expected == 0) < 0.35


@pytest.mark.parametrize("shape", [(5, 3), (257, 64), (1000, 130)])
def test_sums_are_over_all_rows(shape):
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    _, (total, squares) = rows.launch(
        lambda tile, x_ref, _: [tile.load(x_ref), tile.load(x_ref) ** 2], x, (), shape=shape, sums=2, name="sums"
    )
    np.testing.assert_allclose(total, np.sum(np.asarray(x, float), axis=0), rtol=0, atol=1e-4)
    np.testing.assert_allclose(squares, np.sum(np.asarray(x, float) ** 2, axis=0), rtol=1e-5)
