"""A transformer block whose norms, residuals, codes, activations and dropout are kernels between its products.

The plain version is `models.transformer.Block`, of which XLA writes most of these one by one, transposed where a block
attends along frames.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax.models.kernels.attention import attend
from dfuse_jax.models.kernels.gelu import Activation, activate
from dfuse_jax.models.kernels.residual import Branch, Code, Norm, Stream, join
from dfuse_jax.models.kernels.rows import Axis, pack
from dfuse_jax.models.layers import matmul
from dfuse_jax.models.transformer import Drops


def block(
    params: Mapping[str, Any],
    x: Float[Array, "*positions width"],
    *,
    axis: int,
    heads: int,
    code: Float[np.ndarray, "length width"] | None,
    drops: Drops,
) -> Float[Array, "*positions width"]:
    """Returns the block's output.

    Args:
        params: of the block.
        x: clips' positions on one or more axes, the first of which is the clip.
        axis: along which it attends.
        heads: of the attention.
        code: is added to the normed input; None: nothing is.
        drops: what is dropped where.
    """

    def parameter(*path: str) -> Array:
        leaf: Any = params
        for name in path:
            leaf = leaf[name]
        return leaf.astype(x.dtype)

    def norm(name: str) -> Norm:
        return Norm(params[name]["scale"], params[name]["bias"])

    along = Axis(x.shape[axis], inner=math.prod(x.shape[axis % x.ndim + 1 : -1]))
    stream = x.reshape(-1, x.shape[-1])

    coded = None if code is None else Code(jnp.asarray(code, x.dtype), pack(drops.code), along)
    joined = join(Stream(stream, norm=norm("attention_norm"), code=coded))
    qkv = matmul(joined.normed, parameter("attention", "qkv", "kernel"))
    attended: Any = attend(qkv.reshape(len(stream), 3, heads, -1), along)

    y = matmul(attended.reshape(len(stream), -1), parameter("attention", "out", "kernel"))
    branch = Branch(y, parameter("attention", "out", "bias"), pack(drops.attention), along)
    stream, normed = join(Stream(joined.x, branch, norm("mlp_norm")))

    hidden = Activation(
        matmul(normed, parameter("mlp_in", "kernel")), parameter("mlp_in", "bias"), pack(drops.hidden), along
    )
    y = matmul(activate(hidden), parameter("mlp_out", "kernel"))
    stream = join(Stream(stream, Branch(y, parameter("mlp_out", "bias"), pack(drops.mlp), along))).x
    return stream.reshape(x.shape)
