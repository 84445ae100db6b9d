"""Checkpoints that the authors of the earlier systems released, as Flax variables."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dfuse_jax.models.authors.convert import convert, flax_layout, named_tensors
from dfuse_jax.models.authors.names import ENCODER, VARIABLES
from dfuse_jax.models.deepmarkernet import DeepMarkerNet
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.p4transformer import P4Transformer
from dfuse_jax.models.pstnet import PSTNet
from dfuse_jax.models.realsmilenet import RealSmileNet
from dfuse_jax.models.sizes import variable_shapes

_CONVOLUTION = {
    "displacement": "spatial_conv_d",
    "feature": "spatial_conv_f",
    "norm": "batch_norm",
    "out": "temporal",
}
_PSTNET = {"head": "fc"} | {
    f"convolution_{number}/{module}": f"{convolution}.{name}"
    for number, convolution in enumerate(("conv1", "conv2a", "conv2b", "conv3a", "conv3b", "conv4"))
    for module, name in _CONVOLUTION.items()
}

_BLOCK = {
    "attention_norm": "0.fn.norm",
    "attention/qkv": "0.fn.fn.to_qkv",
    "attention/out": "0.fn.fn.to_out.0",
    "mlp_norm": "1.fn.norm",
    "mlp_in": "1.fn.fn.net.0",
    "mlp_out": "1.fn.fn.net.3",
}
_P4TRANSFORMER = {
    "tube": "tube_embedding.conv_d.0",
    "position": "pos_embedding",
    "head_norm": "mlp_head.0",
    "head_in": "mlp_head.1",
    "head_out": "mlp_head.3",
}

_REALSMILENET = {
    "gate/convolution": "TA.conv",
    "encoder/norm": "encoder.0",
    "encoder/convolution_0": "encoder.1.conv",
    "encoder/norm_0": "encoder.1.bn",
    "encoder/convolution_1": "encoder.3.conv",
    "encoder/norm_1": "encoder.3.bn",
    "lstm/convolution": "decoder.cell.conv",
    "non_local/query": "pool.0.theta",
    "non_local/key": "pool.0.phi.0",
    "non_local/value": "pool.0.g.0",
    "non_local/out": "pool.0.W.0",
    "non_local/out_norm": "pool.0.W.1",
    "classifier": "pool.2.conv",
    "classifier_norm": "pool.2.bn",
    "head": "pool.5",
}

_MESHSMILENET = {"head_norm": "mlp_head.0", "head": "mlp_head.1"}
_DEEPMARKERNET = {
    "head_norm": "mlp_head1.0",
    "head": "mlp_head1.1",
    "regressor_norm": "mlp_head2.0",
    "regressor": "mlp_head2.1",
}


def system_from_torch(state_dict: Mapping[str, np.ndarray], model: Any) -> dict:
    """Returns variables of a network of an earlier system from a state dict of its authors' release.

    Args:
        state_dict: as for `from_torch`.
        model: with the sizes of the checkpoint, such as `PSTNet(**pstnet.AUTHORS)`; a `PSTNet`, a `P4Transformer`, a
            `RealSmileNet`, a `DeepMarkerNet`, or MeshSmileNet, which is `DFuseSmileNet(fusion="none")`. Its option
            `variant` is to be "authors" for what they published.

    Returns:
        {"params": ..., "batch_stats": ...} for `apply`, in the arrays' precision.

    Raises:
        ValueError: no checkpoint of such a model was released, or its tensors are not those of the model.
    """
    shapes = variable_shapes(model)
    names = torch_names(model, shapes)
    layout = _pictures_layout if isinstance(model, RealSmileNet) else flax_layout
    return convert(named_tensors(state_dict, names.values()), names, shapes, f"this {type(model).__name__}", layout)


def torch_names(model: Any, paths: Iterable[str]) -> dict[str, str]:
    """Returns path -> name in the state dict of the model's authors, for paths such as params/head/kernel.

    Raises:
        ValueError: no checkpoint of such a model was released.
        KeyError: the model has no variable at a path.
    """
    modules = _modules(model)
    split = {path: path.split("/") for path in paths}
    return {path: f"{modules['/'.join(parts[1:-1])]}.{VARIABLES[parts[-1]]}" for path, parts in split.items()}


def _modules(model: Any) -> dict[str, str]:
    """Returns the names of a model's modules in its authors' code, by their paths."""
    match model:
        case PSTNet():
            return _PSTNET
        case P4Transformer():
            blocks = range(model.depth)
            return _P4TRANSFORMER | {
                f"block_{number}/{module}": f"transformer.layers.{number}.{name}"
                for number in blocks
                for module, name in _BLOCK.items()
            }
        case RealSmileNet():
            return _REALSMILENET
        case DeepMarkerNet():
            return ENCODER | _DEEPMARKERNET
        case DFuseSmileNet(fusion="none"):
            return ENCODER | _MESHSMILENET
    raise ValueError(
        f"no checkpoint of such a {type(model).__name__} was released; `from_torch` takes those of D-FuseSmileNet."
    )


def _pictures_layout(value: np.ndarray, path: str) -> np.ndarray:
    """Returns a tensor of RealSmileNet, in whose code channels come first and x comes before y, in Flax's layout."""
    if path == "params/head/kernel" and value.shape == (1, 250):  # of 10 channels at 5 x 5 places
        return value.reshape(10, 5, 5).transpose(2, 1, 0).reshape(250, 1)
    if value.ndim == 4 and value.shape[2:] != (1, 1):
        return value.transpose(3, 2, 1, 0)
    return flax_layout(value, path)
