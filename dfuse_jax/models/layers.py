"""The layers that both halves of the encoder are made of, with PyTorch's defaults where the paper's code relies on them."""

import functools

import flax.linen as nn

# He initialisation (paper section 4.1). `float` is JAX's default precision: parameters are float64 under jax_enable_x64.
dense = functools.partial(nn.Dense, kernel_init=nn.initializers.he_normal(), param_dtype=float)
linear = functools.partial(dense, use_bias=False)
layer_norm = functools.partial(nn.LayerNorm, epsilon=1e-5, param_dtype=float)
leaky_relu = functools.partial(nn.leaky_relu, negative_slope=0.2)


def batch_norm(train: bool, **kwargs) -> nn.BatchNorm:
    """Batch norm over all axes but the last: statistics of the batch in training, running ones otherwise."""
    return nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-5, param_dtype=float, **kwargs)
