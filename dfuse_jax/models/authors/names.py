"""Names and layouts of the parameters in the authors' PyTorch release, by the names of the Flax modules."""

_CICS = {
    "cic_0": "cic11",
    "cic_1": "cic12",
    "cic_2": "cic21",
    "cic_3": "cic22",
}
_CIC = {
    "reduce": "conv1.0",
    "reduce_norm": "conv1.1",
    "expand": "conv2.0",
    "expand_norm": "conv2.1",
    "shortcut": "shortcut.0",
    "shortcut_norm": "shortcut.1",
    "grouping/attention": "curvegrouping.att",
    "grouping/agent": "curvegrouping.walk.agent_mlp.0",
    "grouping/agent_norm": "curvegrouping.walk.agent_mlp.1",
    "grouping/momentum": "curvegrouping.walk.momentum_mlp.0",
    "grouping/momentum_norm": "curvegrouping.walk.momentum_mlp.1",
    "aggregation/line_attention": "curveaggregation.line_conv_att",
    "aggregation/curve_key": "curveaggregation.conva",
    "aggregation/step_key": "curveaggregation.convb",
    "aggregation/query": "curveaggregation.convc",
    "aggregation/curve_value": "curveaggregation.convn",
    "aggregation/step_value": "curveaggregation.convl",
    "aggregation/merge": "curveaggregation.convd.0",
    "aggregation/merge_norm": "curveaggregation.convd.1",
    "lpfa/position": "lpfa.xyz2feature.0",
    "lpfa/position_norm": "lpfa.xyz2feature.1",
    "lpfa/mlp": "lpfa.mlp.0.0",
    "lpfa/mlp_norm": "lpfa.mlp.0.1",
}
_BLOCK = {
    "attention_norm": "0.norm",
    "attention/qkv": "0.fn.to_qkv",
    "attention/out": "0.fn.to_out.0",
    "mlp_norm": "1.norm",
    "mlp_in": "1.fn.net.0",
    "mlp_out": "1.fn.net.3",
}
ENCODER = {
    "point_encoder/entry/mlp": "encoder.lpfa.mlp.0.0",
    "point_encoder/entry/mlp_norm": "encoder.lpfa.mlp.0.1",
    "point_encoder/exit": "encoder.conv0.0",
    "point_encoder/exit_norm": "encoder.conv0.1",
    "tokens": "downsample.0",
    "tokens_norm": "downsample.1",
}
ENCODER |= {
    f"point_encoder/{cic}/{module}": f"encoder.{torch_cic}.{name}"
    for cic, torch_cic in _CICS.items()
    for module, name in _CIC.items()
}
ENCODER |= {
    f"transformer/space_time_{number}/{module}": f"transformer.layers.{number}.{name}"
    for number in range(6)
    for module, name in _BLOCK.items()
}
ENCODER |= {
    f"transformer/time_{number}/{module}": f"time.layers.{number}.{name}"
    for number in range(3)
    for module, name in _BLOCK.items()
}
_HEAD = {"head_norm": "smile_head.0", "head": "smile_head.1"}

_MAPS = {"x_map": "x_proj", "z_map": "dmarker_proj"}
_PLAIN = _MAPS | {"refine_in": "fusion_mlp.0", "refine_out": "fusion_mlp.3"}
_NORMED = _MAPS | {"norm": "fusion_mlp.0", "refine_in": "fusion_mlp.1", "refine_out": "fusion_mlp.4"}
_FACTORS = {"x_factor": "bilinear.projection1", "z_factor": "bilinear.projection2", "out": "bilinear.fc"}
_FORM, _COMBINE, _GATE = {"form": "bilinear.bilinear"}, {"combine": "combine_layer.0"}, {"gate": "gate_linear"}


def _within(prefix: str, **names: str) -> dict[str, str]:
    return {module: f"{prefix}.{name}" for module, name in names.items()}


_QUERY_KEY_VALUE = {"query": "query_proj", "key": "key_proj", "value": "value_proj"}
FUSION_MODULES = {
    "concatenation": _PLAIN,
    "gated_concatenation": _PLAIN | _GATE,
    "additive": {
        "x_map": "x_proj.0",
        "x_norm": "x_proj.1",
        "z_map": "dmarker_proj.0",
        "z_norm": "dmarker_proj.1",
        "weights": "fusion_weights.0",
        "norm": "fusion_mlp.0",
        "refine_in": "fusion_mlp.1",
        "refine_out": "fusion_mlp.4",
    },
    "hadamard": _PLAIN,
    "gated_concatenation_hadamard": _PLAIN | _GATE,
    "attention": _PLAIN | _within("attention_fusion", **_QUERY_KEY_VALUE),
    "multihead_attention": _PLAIN | _within("mha_fusion", query="to_q", key="to_k", value="to_v", out="to_out.0"),
    "cross_attention": _PLAIN | _within("cross_attention_fusion", **_QUERY_KEY_VALUE),
    "multihead_cross_attention": _MAPS | _within("cross_attn", query="to_q", key_value="to_kv", out="to_out.0"),
    "film": _PLAIN | _within("film_generator", film_in="0", film_out="2"),
    "film_hadamard": _PLAIN
    | {"x_norm": "pre_film_norm"}
    | _within("film_generator.network", film_in="0", film_out="2"),
    "bilinear": _NORMED | _FORM,
    "bilinear_hadamard": _NORMED | _FORM | _COMBINE,
    "factorized_bilinear": _NORMED | _FACTORS,
    "factorized_bilinear_hadamard": _NORMED | _FACTORS | _COMBINE,
}
"""Fusion -> names of its modules; the fusions that the authors released, and no others."""

VARIABLES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def torch_name(path: str, fusion: str) -> str:
    """Returns the name, in the authors' state dict, of the variable at a path such as params/fusion/gate/kernel.

    Raises:
        KeyError: there is none.
    """
    _, *modules, variable = path.split("/")
    if modules[0] == "fusion":
        module = FUSION_MODULES[fusion]["/".join(modules[1:])]
    else:
        module = (ENCODER | _HEAD)["/".join(modules)]
    return f"{module}.{VARIABLES[variable]}"


_CONVOLUTIONS = ("point_encoder", "tokens")
_PLANAR = ("mlp", "position", "line_attention", "agent")  # over points and neighbours, or over curves and steps


def kernel_axes(path: str) -> int:
    """Returns how many kernel axes, all of length 1, a kernel has in the release beyond its inputs and outputs.

    It is 1 or 2 where the authors write a convolution over 1 or 2 axes, and 0 for a linear or a bilinear map.
    """
    _, *modules, _ = path.split("/")
    if modules[0] not in _CONVOLUTIONS:
        return 0
    return 2 if modules[-1] in _PLANAR else 1
