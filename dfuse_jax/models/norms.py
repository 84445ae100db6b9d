"""Batch norm, also folded into the linear map before it, for the two are one linear map.

Statistics are taken in float32 at least, whatever the precision of the values.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from dfuse_jax.models.layers import at_least_float32, expand, matmul, precise_matmul

EPSILON, MOMENTUM = 1e-5, 0.1  # PyTorch's


class Statistics(NamedTuple):
    """Mean and variance of every feature."""

    mean: Float[Array, " width"]
    variance: Float[Array, " width"]


class Moments(NamedTuple):
    """Mean and covariance of the rows of a matrix."""

    mean: Float[Array, " width"]
    covariance: Float[Array, "width width"]


def moments_from_sums(total: Array, squares: Array, count: int) -> Moments:
    """Returns the moments of `count` rows x from their sum [width] and the sum of x x^T [width, width]."""
    mean = total / count
    return Moments(mean, squares / count - jnp.outer(mean, mean))


def batch_statistics(x: Array, axes: Sequence[int], where: Bool[Array, "..."] | None = None) -> Statistics:
    """Returns mean and variance over some axes, in one pass over the values, or over those values alone that count."""
    mean = jnp.mean(at_least_float32(x), axes, where=where)
    square = jnp.mean(jnp.square(at_least_float32(x)), axes, where=where)
    return Statistics(mean, jnp.maximum(square - jnp.square(mean), 0))


def linear_statistics(moments: Moments, kernel: Float[Array, "inputs outputs"]) -> Statistics:
    """Returns the statistics of x W from the moments m, C of x, without x: m W and diag(W^T C W)."""
    mean = precise_matmul(moments.mean, kernel)
    variance = jnp.sum(kernel * precise_matmul(moments.covariance, kernel), axis=0)
    return Statistics(mean, jnp.maximum(variance, 0))


class Affine(NamedTuple):
    """An affine map: x [..., inputs] -> x @ kernel + shift [..., outputs]."""

    kernel: Float[Array, "inputs outputs"]
    shift: Float[Array, " outputs"]

    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch outputs"]:
        """Applies the map."""
        return matmul(x, self.kernel) + expand(self.shift, x.ndim)

    def astype(self, dtype: DTypeLike) -> "Affine":
        """Returns the map in another precision."""
        return Affine(self.kernel.astype(dtype), self.shift.astype(dtype))


class NormState(NamedTuple):
    """What a batch norm holds for every feature: learnt scale and bias, running mean and variance.

    A loop can carry it, where it cannot carry the Flax module.
    """

    scale: Float[Array, " width"]
    bias: Float[Array, " width"]
    mean: Float[Array, " width"]
    variance: Float[Array, " width"]

    def scale_and_shift(self, batch: Statistics | None) -> tuple[Float[Array, " width"], Float[Array, " width"]]:
        """Returns the norm as x * scale + shift, by the statistics of a batch or, if None, by the running ones."""
        mean, variance = (self.mean, self.variance) if batch is None else batch
        scale = self.scale * lax.rsqrt(variance + EPSILON)
        return scale, self.bias - mean * scale

    def after(self, batch: Statistics) -> "NormState":
        """Returns the state in which the running statistics have taken their share of a batch."""
        return self._replace(
            mean=(1 - MOMENTUM) * self.mean + MOMENTUM * batch.mean,
            variance=(1 - MOMENTUM) * self.variance + MOMENTUM * batch.variance,
        )

    def normalise(
        self, x: Array, axis: int = -1, *, train: bool, where: Bool[Array, "..."] | None = None
    ) -> tuple[Array, "NormState"]:
        """Returns x normalised over all axes but `axis`, by its own statistics in training, and the state after it.

        Args:
            x: values.
            axis: of the features.
            train: whether its own statistics are used.
            where: which values count in them, with an axis for each of x's; None: all.
        """
        others = [a for a in range(x.ndim) if a != axis % x.ndim]
        batch = batch_statistics(x, others, where) if train else None
        scale, shift = self.scale_and_shift(batch)
        y = at_least_float32(x) * expand(scale, x.ndim, axis) + expand(shift, x.ndim, axis)
        return y.astype(x.dtype), self if batch is None else self.after(batch)

    def fold(self, kernel: Float[Array, "inputs width"], moments: Moments | None) -> tuple[Affine, "NormState"]:
        """Returns a linear map followed by this norm as one affine map, at least in float32, and the state after it.

        Args:
            kernel: the linear map.
            moments: of the linear map's input, in training; None: use the running statistics.
        """
        kernel = at_least_float32(kernel)
        batch = None if moments is None else linear_statistics(moments, kernel)
        scale, shift = self.scale_and_shift(batch)
        return Affine(kernel * expand(scale, 2), shift), self if batch is None else self.after(batch)


class BatchNorm(nn.Module):
    """Batch norm: statistics of the batch in training, running ones (momentum 0.1) otherwise.

    Attributes:
        initial_scale: the learnt scale before the first step.
    """

    initial_scale: float = 1.0

    @nn.compact
    def state(self, width: int) -> NormState:
        """Returns the norm's present state."""
        return NormState(
            scale=self.param("scale", nn.initializers.constant(self.initial_scale), (width,), float),
            bias=self.param("bias", nn.initializers.zeros, (width,), float),
            mean=self.variable("batch_stats", "mean", jnp.zeros, width).value,
            variance=self.variable("batch_stats", "var", jnp.ones, width).value,
        )

    def store(self, state: NormState) -> None:
        """Replaces the running statistics; for training only, where "batch_stats" is mutable."""
        if not self.is_initializing():
            self.put_variable("batch_stats", "mean", state.mean)
            self.put_variable("batch_stats", "var", state.variance)

    def __call__(self, x: Array, axis: int = -1, *, train: bool, where: Bool[Array, "..."] | None = None) -> Array:
        """Normalises over all axes but `axis`; in training by the statistics of all values, or of those that count."""
        y, state = self.state(x.shape[axis]).normalise(x, axis, train=train, where=where)
        if train:
            self.store(state)
        return y

    def fold(self, kernel: Float[Array, "inputs width"], moments: Moments | None) -> Affine:
        """Returns a linear map followed by this norm as one affine map, as `NormState.fold` does."""
        affine, state = self.state(kernel.shape[-1]).fold(kernel, moments)
        if moments is not None:
            self.store(state)
        return affine
