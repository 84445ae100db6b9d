"""Bytes of Pallas calls, from the program that makes them."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from dfuse_jax.bench.gpu import pallas
from dfuse_jax.bench.gpu.hlo import Array


def scale(x, w):
    """x [128, 64] in 8 blocks of 16 rows, each times w [16, 64]."""

    def kernel(x_ref, w_ref, y_ref):
        y_ref[...] = x_ref[...] * w_ref[...]

    rows = pl.BlockSpec((16, 64), lambda i: (i, 0))
    shared = pl.BlockSpec((16, 64), lambda i: (0, 0))
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return pl.pallas_call(kernel, out_shape=shape, grid=(8,), in_specs=[rows, shared], out_specs=rows)(x, w)


def blocks(function, *shapes, dtype=jnp.float32):
    return pallas.blocks(jax.make_jaxpr(function)(*(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes)))


def test_blocks_times_grid():
    x, w = Array("f32", (128, 64)), Array("f32", (16, 64))
    assert blocks(scale, x.shape, w.shape) == {((x, w), (x,)): 8 * 3 * 16 * 64 * 4}


def test_within_other_programs_and_under_vmap():
    x, w = Array("bf16", (5, 128, 64)), Array("bf16", (16, 64))
    function = jax.jit(lambda x, w: jax.lax.map(lambda _: jax.vmap(scale, in_axes=(0, None))(x, w), jnp.arange(2)))
    assert blocks(function, x.shape, w.shape, dtype=jnp.bfloat16) == {((x, w), (x,)): 5 * 8 * 3 * 16 * 64 * 2}


def test_an_array_without_blocks_counts_once():
    def double(x):
        def kernel(x_ref, y_ref):
            y_ref[pl.program_id(0)] = 2 * x_ref[pl.program_id(0)]

        whole = pl.BlockSpec(memory_space=pl.ANY)
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return pl.pallas_call(kernel, out_shape=shape, grid=(7,), in_specs=[whole], out_specs=whole)(x)

    assert set(blocks(double, (7,)).values()) == {2 * 7 * 4}
    assert set(blocks(jax.vmap(double), (3, 7)).values()) == {2 * 3 * 7 * 4}


def test_an_axis_that_the_kernel_does_not_see_is_one_long():
    def row_sums(x):
        def kernel(x_ref, y_ref):
            y_ref[...] = x_ref[...].sum(axis=0)

        frame = pl.BlockSpec((None, 16, 64), lambda i: (i, 0, 0))
        row = pl.BlockSpec((None, 64), lambda i: (i, 0))
        shape = jax.ShapeDtypeStruct((7, 64), x.dtype)
        return pl.pallas_call(kernel, out_shape=shape, grid=(7,), in_specs=[frame], out_specs=row)(x)

    (moved,) = blocks(row_sums, (7, 16, 64)).values()
    assert moved == 7 * (16 * 64 + 64) * 4
