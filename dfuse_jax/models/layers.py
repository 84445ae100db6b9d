"""The layers that everything here is made of, with PyTorch's defaults where the paper's code relies on them.

Each computes and returns in its input's precision, whatever its parameters': one cast of the inputs chooses the whole
model's. Statistics are the exception: Flax takes the norms' in float32 at least, and keeps the running ones so.
"""

import functools

import flax.linen as nn
from jax import Array


def _as_input(x: Array, *parameters: Array | None, dtype=None) -> tuple[Array | None, ...]:
    return (x, *(p if p is None else p.astype(x.dtype) for p in parameters))


class _LayerNorm(nn.LayerNorm):
    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


class _BatchNorm(nn.BatchNorm):
    def __call__(self, x: Array) -> Array:
        return super().__call__(x).astype(x.dtype)


# He initialisation (paper section 4.1). `float` is JAX's default precision: float64 under jax_enable_x64.
dense = functools.partial(nn.Dense, kernel_init=nn.initializers.he_normal(), param_dtype=float, promote_dtype=_as_input)
linear = functools.partial(dense, use_bias=False)
layer_norm = functools.partial(_LayerNorm, epsilon=1e-5, param_dtype=float)
leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)


def batch_norm(train: bool, **kwargs) -> nn.BatchNorm:
    """Batch norm over all axes but the last: statistics of the batch in training, running ones otherwise."""
    return _BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, param_dtype=float, **kwargs)
