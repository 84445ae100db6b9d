"""The layers that everything here is made of, with PyTorch's defaults where the paper's code relies on them.

Each computes and returns in its input's precision, whatever its parameters': one cast of the inputs chooses the whole
model's. Statistics are the exception: they are taken in float32 at least, and kept so.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
_initial, _ones, _zeros = nn.initializers.he_normal(), nn.initializers.ones, nn.initializers.zeros
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


class Moments(NamedTuple):
    """Of rows [c]: mean [c] and covariance [c, c]."""

    mean: Array
    covariance: Array


def moments(total: Array, squares: Array, count: int) -> Moments:
    """From the sums of x and of x x^T over `count` rows."""
    mean = total / count
    return Moments(mean, squares / count - jnp.outer(mean, mean))


def mean_and_variance(x: Array, axes: Sequence[int]) -> tuple[Array, Array]:
    """Over some axes, both in one pass over the values."""
    mean = jnp.mean(full(x), axes)
    return mean, jnp.maximum(jnp.mean(jnp.square(full(x)), axes) - jnp.square(mean), 0)


class Norm(NamedTuple):
    """A batch norm's numbers, [width] each: what it learns, and the running mean and variance."""

    gain: Array
    bias: Array
    mean: Array
    variance: Array

    def affine(self, statistics: tuple[Array, Array] | None) -> tuple[Array, Array, "Norm"]:
        """Scale and shift, [width] each, by the batch's mean and variance (None: running ones), and what runs on."""
        mean, variance = (self.mean, self.variance) if statistics is None else statistics
        scale = self.gain * lax.rsqrt(variance + 1e-5)
        run = lambda old, new: 0.9 * old + 0.1 * new  # noqa: E731
        after = self._replace(mean=run(self.mean, mean), variance=run(self.variance, variance))
        return scale, self.bias - mean * scale, after


class BatchNorm(nn.Module):
    """Batch norm: statistics of the batch in training, running ones (momentum 0.1) otherwise."""

    train: bool

    @nn.compact
    def numbers(self, width: int) -> Norm:
        """As they stand."""
        learnt = (self.param(n, i, (width,), float) for n, i in zip(("scale", "bias"), (_ones, _zeros), strict=True))
        runs = (self.variable("batch_stats", n, f, width).value for n, f in (("mean", jnp.zeros), ("var", jnp.ones)))
        return Norm(*learnt, *runs)

    def keep(self, norm: Norm) -> None:
        """Lets the running statistics of `norm` stand, in training."""
        if self.train and not self.is_initializing():
            self.put_variable("batch_stats", "mean", norm.mean)
            self.put_variable("batch_stats", "var", norm.variance)

    def affine(self, width: int, statistics: Callable[[], tuple[Array, Array]]) -> tuple[Array, Array]:
        """As scale and shift, [width] each.

        Args:
            width: how many features.
            statistics: gives their mean and variance in the batch, [width] each; called in training alone.
        """
        scale, shift, norm = self.numbers(width).affine(statistics() if self.train else None)
        self.keep(norm)
        return scale, shift

    def __call__(self, x: Array, axis: int = -1) -> Array:
        """Norms over all axes but `axis`."""
        others = [a for a in range(x.ndim) if a != axis % x.ndim]
        scale, shift = self.affine(x.shape[axis], lambda: mean_and_variance(x, others))
        scale, shift = (jnp.expand_dims(a, others) for a in (scale, shift))
        return (full(x) * scale + shift).astype(x.dtype)

    def of_linear(self, kernel: Array, of_input: Callable[[], Moments]) -> tuple[Array, Array]:
        """A linear map followed by this norm is one linear map, kernel [in, out] and shift [out].

        The mean and the variance of x W follow from x's, m W and diag(W^T C W): the map itself need not be run first.

        Args:
            kernel: W, [in, out].
            of_input: gives the moments of x in the batch; called in training alone.
        """
        kernel = full(kernel)

        def statistics():
            mean, covariance = of_input()
            return exactly(mean, kernel), jnp.maximum(jnp.sum(kernel * exactly(covariance, kernel), axis=0), 0)

        scale, shift = self.affine(kernel.shape[-1], statistics)
        return kernel * scale, shift


def normed_linear(
    features: int, x: Array, of_x: Callable[[], Moments], train: bool, name: str
) -> Callable[[Array], Array]:
    """`linear` followed by `BatchNorm` (named `name` and `name`_norm) as one map, to be applied to x or parts of it.

    Args:
        features: how many the map gives.
        x: [..., in], only its width and precision matter.
        of_x: gives the moments of x in the batch; called in training alone.
        train: batch statistics.
        name: of the map.
    """
    kernel, norm = Kernel(features, name=name)(x.shape[-1]), BatchNorm(train, name=f"{name}_norm")
    kernel, shift = (a.astype(x.dtype) for a in norm.of_linear(kernel, of_x))
    return lambda x: matmul(x, kernel) + shift


class Dropout(nn.Module):
    """Dropout in training, which needs the rng "dropout"."""

    rate: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        threshold = round(self.rate * 2**16)  # 16 random bits a value: a quarter of what a random float takes
        if not train or threshold == 0:
            return x
        pair = random.bits(self.make_rng("dropout"), (2,), jnp.uint32)
        words = threefry_2x32(pair, jnp.arange(-(-x.size // 2), dtype=jnp.uint32))
        bits = lax.bitcast_convert_type(words, jnp.uint16).reshape(-1)[: x.size].reshape(x.shape)
        return jnp.where(bits < threshold, 0, x / (1 - threshold / 2**16))
