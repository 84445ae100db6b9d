"""GELU of a product and its bias, and the dropout of it, in one kernel a pass.

The plain version is what `models.transformer.Block` writes between the two maps of its MLP: dropout(gelu(x + bias)),
with the error function. Rows are those of `kernels.rows`.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, UInt32

from dfuse_jax.models.kernels import rows
from dfuse_jax.models.kernels.rows import Axis, Tile

# The error function in float32 is x P(x^2) / Q(x^2) within this of 0; coefficients of falling powers, as XLA uses them.
_LIMIT = 3.832506856900711
_NUMERATOR = (
    0.00022905065861350646,
    0.0034082910107109506,
    0.050955695062380861,
    0.18520832239976145,
    1.128379143519084,
)
_DENOMINATOR = (
    -1.1791602954361697e-7,
    0.000023547966471313185,
    0.0010179625278914885,
    0.014070470171167667,
    0.11098505178285362,
    0.49746925110067538,
    1.0,
)


class Activation(NamedTuple):
    """dropout(gelu(x + bias)).

    Attributes:
        x: a product.
        bias: of the product.
        drop: what `rows.pack` gives; None: nothing is dropped.
        axis: along which the block attends.
    """

    x: Float[Array, "rows width"]
    bias: Float[Array, " width"]
    drop: UInt32[Array, "3"] | None
    axis: Axis


@jax.custom_vjp
def activate(activation: Activation) -> Float[Array, "rows width"]:
    """Returns its values, with gelu(x) = x Phi(x) and Phi the standard normal distribution function."""
    x = activation.x
    values, _ = rows.launch(_activate, activation, _like(x), shape=x.shape, name="gelu")
    return values


def _forward(activation: Activation) -> tuple[Array, Activation]:
    return activate(activation), activation


def _backward(activation: Activation, g: Array) -> tuple[Activation]:
    x_gradient, (bias_gradient,) = rows.launch(
        _activate_gradient, (activation, g), _like(g), shape=g.shape, sums=1, name="gelu_gradient"
    )
    bias_gradient = bias_gradient.astype(activation.bias.dtype)
    return (activation._replace(x=x_gradient, bias=bias_gradient, drop=None),)


activate.defvjp(_forward, _backward)


def _like(x: Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(x.shape, x.dtype)


# The kernels: what is a tree of arrays above is a tree of references.


def _activate(tile: Tile, activation: Any, values_ref: Any) -> None:
    x = tile.load(activation.x) + tile.load_vector(activation.bias)
    drop = tile.dropping(activation.drop, activation.axis, values_ref.dtype)
    tile.store(values_ref, drop(x * _distribution(x)))


def _activate_gradient(tile: Tile, operands: Any, gradient_ref: Any) -> list[Array]:
    activation, g_ref = operands
    x = tile.load(activation.x) + tile.load_vector(activation.bias)
    drop = tile.dropping(activation.drop, activation.axis, gradient_ref.dtype)
    density = jnp.exp(-0.5 * x * x) * (2 * math.pi) ** -0.5
    gradient = drop(tile.load(g_ref)) * (_distribution(x) + x * density)
    tile.store(gradient_ref, gradient)
    return [gradient]


def _distribution(x: Array) -> Array:
    """Returns the standard normal distribution function."""
    return 0.5 + 0.5 * _erf(x * 2**-0.5)


def _erf(x: Array) -> Array:
    """Returns the error function, which kernels for a GPU lack."""
    if x.dtype == jnp.float64:  # in tests alone
        return lax.erf(x)
    x = jnp.clip(x, -_LIMIT, _LIMIT)
    square = x * x
    return x * _polynomial(_NUMERATOR, square) / _polynomial(_DENOMINATOR, square)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
