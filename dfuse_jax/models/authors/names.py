"""What the parameters are called in the authors' PyTorch release: a module's name here -> its name there."""

_CIC = {
    "cic_0": "cic11",
    "cic_1": "cic12",
    "cic_2": "cic21",
    "cic_3": "cic22",
}
_IN_CIC = {
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
_IN_BLOCK = {
    "attention_norm": "0.norm",
    "attention/qkv": "0.fn.to_qkv",
    "attention/out": "0.fn.to_out.0",
    "mlp_norm": "1.norm",
    "mlp_in": "1.fn.net.0",
    "mlp_out": "1.fn.net.3",
}
_ENCODER = {
    "point_encoder/entry/mlp": "encoder.lpfa.mlp.0.0",
    "point_encoder/entry/mlp_norm": "encoder.lpfa.mlp.0.1",
    "point_encoder/exit": "encoder.conv0.0",
    "point_encoder/exit_norm": "encoder.conv0.1",
    "tokens": "downsample.0",
    "tokens_norm": "downsample.1",
}
_ENCODER |= {f"point_encoder/{c}/{m}": f"encoder.{_CIC[c]}.{_IN_CIC[m]}" for c in _CIC for m in _IN_CIC}
_ENCODER |= {
    f"transformer/space_time_{i}/{m}": f"transformer.layers.{i}.{_IN_BLOCK[m]}" for i in range(6) for m in _IN_BLOCK
}
_ENCODER |= {f"transformer/time_{i}/{m}": f"time.layers.{i}.{_IN_BLOCK[m]}" for i in range(3) for m in _IN_BLOCK}
_HEAD = {"head_norm": "smile_head.0", "head": "smile_head.1"}

_MAPS = {"x_map": "x_proj", "z_map": "dmarker_proj"}
_PLAIN = _MAPS | {"refine_in": "fusion_mlp.0", "refine_out": "fusion_mlp.3"}
_NORMED = _MAPS | {"norm": "fusion_mlp.0", "refine_in": "fusion_mlp.1", "refine_out": "fusion_mlp.4"}
_FACTORS = {"x_factor": "bilinear.projection1", "z_factor": "bilinear.projection2", "out": "bilinear.fc"}
_FORM, _COMBINE, _GATE = {"form": "bilinear.bilinear"}, {"combine": "combine_layer.0"}, {"gate": "gate_linear"}


def _within(prefix: str, **names: str) -> dict[str, str]:
    return {here: f"{prefix}.{there}" for here, there in names.items()}


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
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


def name(path: str, fusion: str) -> str:
    """What the variable at a path such as params/fusion/gate/kernel is called in the authors' state dict."""
    _, *module, leaf = path.split("/")
    inside = FUSION_MODULES[fusion].get("/".join(module[1:])) if module[0] == "fusion" else None
    return f"{inside or (_ENCODER | _HEAD)['/'.join(module)]}.{_LEAVES[leaf]}"
