"""The layers that everything here is made of, with PyTorch's defaults where the paper's code relies on them.

Each computes and returns in its input's precision, whatever its parameters': one cast of the inputs chooses the whole
model's. Statistics are the exception: they are taken in float32 at least, and kept so.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax, random
from jax.extend.random import threefry_2x32


def full(x: Array) -> Array:
    """In the precision of statistics: float32 at least."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def exactly(a: Array, b: Array) -> Array:
    """a @ b in the numbers' own precision, where an accelerator would round float32 to less."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


@jax.custom_vjp
def matmul(x: Array, kernel: Array) -> Array:
    """x [..., in] @ kernel [in, out].

    Its own gradient because JAX's is the transpose of g^T x, for which XLA's CPU compiler writes all of g transposed: a
    training step of the transformer takes twice as long.
    """
    return x @ kernel


def _matmul_backward(kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    rows = tuple(range(x.ndim - 1))
    by_x = lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ())))
    return by_x, lax.dot_general(x, g, ((rows, rows), ((), ())))


matmul.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _matmul_backward)


def _as_input(x: Array, *parameters: Array | None, dtype=None) -> tuple[Array | None, ...]:
    return (x, *(p if p is None else p.astype(x.dtype) for p in parameters))


class _LayerNorm(nn.LayerNorm):
    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


# He initialisation (paper section 4.1). `float` is JAX's default precision: float64 under jax_enable_x64.
_initial = nn.initializers.he_normal()
dense = functools.partial(
    nn.Dense,
    kernel_init=_initial,
    param_dtype=float,
    promote_dtype=_as_input,
    dot_general=lambda x, kernel, *_, **__: matmul(x, kernel),
)
linear = functools.partial(dense, use_bias=False)
layer_norm = functools.partial(_LayerNorm, epsilon=1e-5, param_dtype=float)
leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)


class Kernel(nn.Module):
    """The matrix of a `linear` map of so many features, for those who apply it in parts: width -> [width, features]."""

    features: int

    @nn.compact
    def __call__(self, width: int) -> Array:
        return self.param("kernel", _initial, (width, self.features), float)


class Dropout(nn.Module):
    """Dropout in training, which needs the rng "dropout"."""

    rate: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        static = isinstance(self.rate, float | int)
        threshold = round(self.rate * 2**16) if static else jnp.round(self.rate * 2**16).astype(jnp.int32)
        if not train or (static and threshold == 0):
            return x
        pair = random.bits(self.make_rng("dropout"), (2,), jnp.uint32)
        words = threefry_2x32(pair, jnp.arange(-(-x.size // 2), dtype=jnp.uint32))
        bits = lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[: x.size].reshape(x.shape)
        return jnp.where(bits < threshold, 0, x / (1 - threshold / 2**16))
