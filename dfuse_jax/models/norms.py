"""Batch norm, also folded into the linear map before it: the two are one linear map.

Statistics are taken in float32 at least, whatever the precision of what they are of.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.models.layers import Kernel, exactly, full, matmul


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
        learnt = (
            self.param(n, i, (width,), float)
            for n, i in zip(("scale", "bias"), (nn.initializers.ones, nn.initializers.zeros), strict=True)
        )
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
