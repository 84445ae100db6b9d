"""GELU in one pass: whatever XLA makes of its polynomial, values lie in memory only before and after it.

The plain version is `flax.linen.gelu`, with the error function. A program takes a block of values of any array.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32

_BLOCK = 1024
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


@jax.custom_vjp
def gelu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Returns x Phi(x), with Phi the standard normal distribution function."""
    return _launch(_values, x, name="gelu")


def _forward(x: Array) -> tuple[Array, Array]:
    return gelu(x), x


def _backward(x: Array, g: Array) -> tuple[Array]:
    return (_launch(_gradient, x, g, name="gelu_gradient"),)


gelu.defvjp(_forward, _backward)


def _launch(function, *arrays: Array, name: str) -> Array:
    """Applies a function of values to arrays of one shape."""
    like = arrays[0]
    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its values itself

    def kernel(*refs) -> None:
        *inputs, output = refs
        value = pl.program_id(0) * _BLOCK + lax.iota(jnp.int32, _BLOCK)
        inside = value < like.size
        operands = [at_least_float32(triton.load(ref.at[value], mask=inside, other=0)) for ref in inputs]
        triton.store(output.at[value], function(*operands).astype(like.dtype), mask=inside)

    def call(*operands: Array, interpret: bool) -> Array:
        return pl.pallas_call(
            kernel,
            grid=(pl.cdiv(like.size, _BLOCK),),
            in_specs=[whole] * len(operands),
            out_specs=whole,
            out_shape=jax.ShapeDtypeStruct((like.size,), like.dtype),
            compiler_params=triton.CompilerParams(num_warps=program.WARPS),
            interpret=interpret,
            name=name,
        )(*(x.reshape(-1) for x in operands)).reshape(like.shape)

    return program.on_platform(call, arrays)


def _values(x: Array) -> Array:
    return x * _distribution(x)


def _gradient(x: Array, g: Array) -> Array:
    density = jnp.exp(-0.5 * x * x) * (2 * math.pi) ** -0.5
    return g * (_distribution(x) + x * density)


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
