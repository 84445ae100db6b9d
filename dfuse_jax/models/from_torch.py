"""State dicts of the authors' PyTorch release as Flax variables."""

import re
from collections.abc import Mapping

import numpy as np
from flax import traverse_util

# (pattern of a module's name there, its path here), the first match counts. `{0}` is the pattern's first group.
_CIC = {"cic11": "cic_0", "cic12": "cic_1", "cic21": "cic_2", "cic22": "cic_3"}
_IN_CIC = {
    "conv1.0": "reduce",
    "conv1.1": "reduce_norm",
    "conv2.0": "expand",
    "conv2.1": "expand_norm",
    "shortcut.0": "shortcut",
    "shortcut.1": "shortcut_norm",
    "curvegrouping.att": "grouping/attention",
    "curvegrouping.walk.agent_mlp.0": "grouping/agent",
    "curvegrouping.walk.agent_mlp.1": "grouping/agent_norm",
    "curvegrouping.walk.momentum_mlp.0": "grouping/momentum",
    "curvegrouping.walk.momentum_mlp.1": "grouping/momentum_norm",
    "curveaggregation.line_conv_att": "aggregation/line_attention",
    "curveaggregation.conva": "aggregation/curve_key",
    "curveaggregation.convb": "aggregation/step_key",
    "curveaggregation.convc": "aggregation/query",
    "curveaggregation.convn": "aggregation/curve_value",
    "curveaggregation.convl": "aggregation/step_value",
    "curveaggregation.convd.0": "aggregation/merge",
    "curveaggregation.convd.1": "aggregation/merge_norm",
    "lpfa.xyz2feature.0": "lpfa/position",
    "lpfa.xyz2feature.1": "lpfa/position_norm",
    "lpfa.mlp.0.0": "lpfa/mlp",
    "lpfa.mlp.0.1": "lpfa/mlp_norm",
}
_IN_BLOCK = {
    "0.norm": "attention_norm",
    "0.fn.to_qkv": "attention/qkv",
    "0.fn.to_out.0": "attention/out",
    "1.norm": "mlp_norm",
    "1.fn.net.0": "mlp_in",
    "1.fn.net.3": "mlp_out",
}
_OUTSIDE = {
    "encoder.lpfa.mlp.0.0": "point_encoder/entry/mlp",
    "encoder.lpfa.mlp.0.1": "point_encoder/entry/mlp_norm",
    "encoder.conv0.0": "point_encoder/exit",
    "encoder.conv0.1": "point_encoder/exit_norm",
    "downsample.0": "tokens",
    "downsample.1": "tokens_norm",
    "dmarker_proj": "fusion/z",
    "x_proj": "fusion/x",
    "fusion_mlp.0": "fusion/refine/first",
    "fusion_mlp.3": "fusion/refine/second",
    "smile_head.0": "head_norm",
    "smile_head.1": "head",
}


def _module(name: str) -> str | None:
    """Path here of the module that is called `name` there, None if there is none."""
    if match := re.fullmatch(r"encoder\.(cic\d\d)\.(.+)", name):
        block, inner = _CIC.get(match[1]), _IN_CIC.get(match[2])
        return f"point_encoder/{block}/{inner}" if block and inner else None
    if match := re.fullmatch(r"(transformer|time)\.layers\.(\d+)\.(.+)", name):
        stage, inner = {"transformer": "space_time", "time": "time"}[match[1]], _IN_BLOCK.get(match[3])
        return f"transformer/{stage}_{match[2]}/{inner}" if inner else None
    return _OUTSIDE.get(name)


def path(name: str) -> str | None:
    """Where the tensor `name` of the authors' state dict lives here, such as `params/head/kernel`; None: nowhere."""
    module, _, tensor = name.rpartition(".")
    module = _module(module)
    if module is None:
        return None
    if tensor.startswith("running_"):
        return f"batch_stats/{module}/{tensor.removeprefix('running_')}"
    leaf = {"bias": "bias", "weight": "scale" if module.endswith("norm") else "kernel"}.get(tensor)
    return leaf and f"params/{module}/{leaf}"


def from_torch(state_dict: Mapping[str, np.ndarray]) -> dict:
    """Variables of `DFuseSmileNet` from a state dict of the authors' release (Hadamard).

    Args:
        state_dict: name -> array, in PyTorch's layouts.

    Returns:
        {"params": ..., "batch_stats": ...} for `apply`, in the arrays' precision.

    Raises:
        ValueError: lists the names that have no place here.
    """
    state_dict = {name: value for name, value in state_dict.items() if not name.endswith("num_batches_tracked")}
    if unknown := [name for name in state_dict if path(name) is None]:
        raise ValueError(f"tensors that have no place in DFuseSmileNet: {', '.join(unknown)}.")
    flat = {}
    for name, value in state_dict.items():
        where, value = path(name), np.asarray(value)
        if where.endswith("/kernel"):  # [out, in, 1...] there, [in, out] here
            value = value.reshape(value.shape[:2]).T
        flat[where] = value
    return traverse_util.unflatten_dict(flat, sep="/")
