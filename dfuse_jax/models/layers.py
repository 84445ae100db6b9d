"""The layers that all networks of this package share, with PyTorch's defaults where the paper's code relies on them.

A layer computes and returns in its input's precision, whatever the precision of its parameters: one cast of the inputs
chooses the precision of the whole model. Statistics are the exception: they are taken in float32 at least, and kept so.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax, random
from jax.extend.random import threefry_2x32
from jaxtyping import Array, Float, UInt32


def at_least_float32(x: Array) -> Array:
    """Casts to the precision of statistics: float32, or the array's own if that is finer."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def expand(vector: Float[Array, " width"], ndim: int, axis: int = -1) -> Array:
    """Gives a vector `ndim` axes, all of length 1 but `axis`, along which it is then broadcast."""
    return jnp.expand_dims(vector, [a for a in range(ndim) if a != axis % ndim])


def precise_matmul(a: Array, b: Array) -> Array:
    """Returns a @ b in the arrays' own precision, where an accelerator would round float32 to less."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


@jax.custom_vjp
def matmul(x: Float[Array, "*batch inputs"], kernel: Float[Array, "inputs outputs"]) -> Float[Array, "*batch outputs"]:
    """Returns x @ kernel.

    It has its own gradient because JAX's is the transpose of g^T x, for which XLA's CPU compiler writes all of g
    transposed: a training step of the transformer takes twice as long.
    """
    return x @ kernel


def _matmul_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _matmul_backward(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    batch = tuple(range(x.ndim - 1))
    x_gradient = lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ())))
    kernel_gradient = lax.dot_general(x, g, ((batch, batch), ((), ())))
    return x_gradient, kernel_gradient


matmul.defvjp(_matmul_forward, _matmul_backward)


def _cast_to_input(*arrays: Array | None, dtype=None, inexact: bool = True) -> list[Array | None]:
    """Casts a layer's parameters to the precision of its input, the first of the arrays."""
    precision = next(array.dtype for array in arrays if array is not None)
    return [None if array is None else array.astype(precision) for array in arrays]


class _LayerNorm(nn.LayerNorm):
    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


# He initialisation (paper section 4.1). `float` is JAX's default precision: float64 under jax_enable_x64.
_he_normal = nn.initializers.he_normal()
dense = functools.partial(
    nn.Dense,
    kernel_init=_he_normal,
    param_dtype=float,
    promote_dtype=_cast_to_input,
    dot_general=lambda x, kernel, *_, **__: matmul(x, kernel),
)
linear = functools.partial(dense, use_bias=False)
NORM_EPSILON = 1e-5  # of a LayerNorm
layer_norm = functools.partial(_LayerNorm, epsilon=NORM_EPSILON, param_dtype=float)
LEAK = 0.2
leaky_relu = functools.partial(nn.leaky_relu, negative_slope=LEAK)


class Kernel(nn.Module):
    """The kernel of a `linear` layer without the layer, for a map that is applied in parts or folded into a norm.

    Attributes:
        features: how many outputs the map has.
        initialise: makes the kernel before the first step.
    """

    features: int
    initialise: Callable[..., Array] = _he_normal

    @nn.compact
    def __call__(self, inputs: int) -> Float[Array, "inputs features"]:
        """Returns the kernel for so many inputs."""
        return self.param("kernel", self.initialise, (inputs, self.features), float)


def torch_uniform(fan_in: int) -> Callable[..., Array]:
    """Returns PyTorch's initialiser of linear maps, convolutions and their biases: uniform up to 1 / sqrt(fan_in)."""
    bound = 1 / math.sqrt(fan_in)
    return lambda key, shape, dtype=float: random.uniform(key, shape, dtype, -bound, bound)


class TorchDense(nn.Module):
    """A linear map with PyTorch's initialisation, for networks whose published code sets none of its own.

    Attributes:
        features: how many outputs the map has.
        use_bias: whether it has a bias.
    """

    features: int
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*batch inputs"]) -> Float[Array, "*batch features"]:
        """Applies the map in the precision of its input."""
        initialise = torch_uniform(x.shape[-1])
        y = matmul(x, self.param("kernel", initialise, (x.shape[-1], self.features), float).astype(x.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", initialise, (self.features,), float)
        return y + expand(bias.astype(x.dtype), y.ndim)


class TorchConv(nn.Module):
    """A convolution of pictures with PyTorch's initialisation.

    Attributes:
        features: how many outputs it has.
        size: of its window, in both directions.
        padding: "SAME" or "VALID".
        initialise: makes the kernel before the first step, whose bias is then 0; None: PyTorch's way.
    """

    features: int
    size: int
    padding: str = "SAME"
    initialise: Callable[..., Array] | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "*batch height width inputs"]) -> Float[Array, "*batch height width features"]:
        """Applies the convolution in the precision of its input."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        uniform = torch_uniform(math.prod(shape[:3]))
        kernel = self.param("kernel", self.initialise or uniform, shape, float)
        bias = self.param("bias", nn.initializers.zeros if self.initialise else uniform, shape[3:], float)
        y = lax.conv_general_dilated(
            x.reshape(-1, *x.shape[-3:]),
            kernel.astype(x.dtype),
            window_strides=(1, 1),
            padding=self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        y = y.reshape(*x.shape[:-3], *y.shape[1:])
        return y + expand(bias.astype(x.dtype), y.ndim)


DROP_LEVELS = 2**16  # a value drops by 16 random bits, a quarter of what a random float takes


class Drop(NamedTuple):
    """What dropout drops.

    Attributes:
        key: of the random bits.
        threshold: values whose 16 bits are below it become 0.
    """

    key: UInt32[Array, "2"]
    threshold: UInt32[Array, ""] | int

    def __call__(self, x: Array) -> Array:
        """Returns the input with some values set to 0 and the others divided by the share that is kept.

        Block b of Threefry, whose counts are b and b plus the number of blocks, decides on the values 4 b to 4 b + 3.
        """
        blocks = -(-x.size // 4)
        words = threefry_2x32(self.key, jnp.arange(2 * blocks, dtype=jnp.uint32))
        bits = lax.bitcast_convert_type(words.reshape(2, blocks).T, jnp.uint16)
        bits = bits.reshape(-1)[: x.size].reshape(x.shape)
        kept = jnp.asarray(1 - self.threshold / DROP_LEVELS, x.dtype)
        return jnp.where(bits < self.threshold, 0, x / kept)


def drop(x: Array, what: Drop | None) -> Array:
    """Returns the input with what is dropped, or all of it."""
    return x if what is None else what(x)


class Dropout(nn.Module):
    """Dropout in training, which needs the rng "dropout".

    Attributes:
        rate: share of values that become 0, rounded to a multiple of 2^-16. A Python number is part of the compiled
            program, in which a rate of 0 leaves nothing to compute; an array, which may be traced, is an input of it.
    """

    rate: float | Float[Array, ""]

    def draw(self, train: bool) -> Drop | None:
        """Returns what is dropped, which is new with every call; None: nothing."""
        traced = isinstance(self.rate, jax.Array)
        threshold = jnp.round(self.rate * DROP_LEVELS).astype(jnp.uint32) if traced else round(self.rate * DROP_LEVELS)
        if not train or (not traced and threshold == 0):
            return None
        return Drop(random.bits(self.make_rng("dropout"), (2,), jnp.uint32), threshold)

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """Returns the input, in training with some values set to 0 and the others divided by 1 - rate."""
        return drop(x, self.draw(train))
