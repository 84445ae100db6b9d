"""State dicts of the authors' release as Flax variables: what is taken, what is refused, and in which words."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from goldens import ENCODER, TENSORS, head
from networks import TINY, batch, ignore_blind, variables_of

from dfuse_jax.models import DFuseSmileNet, from_torch, head_from_torch, to_torch
from dfuse_jax.models.sizes import classifier_shapes, encoder_shapes

NOT_RELEASED = ["none", "token_attention"]


def zeros(fusion: str) -> dict:
    tensors = TENSORS["encoder"] | TENSORS["head"][fusion]
    return {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}


def refusal(state_dict: dict, fusion: str, convert=from_torch) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        convert(state_dict, fusion)
    return str(caught.value)


def test_from_torch_lists_what_does_not_fit():
    state = zeros("film") | {"decoder.weight": np.zeros(3), "encoder.conv0.1.num_batches_tracked": np.array(7)}
    del state["x_proj.bias"], state["encoder.conv0.0.weight"]
    state["smile_head.1.weight"] = np.zeros((2, 256))
    state["downsample.0.weight"] = np.zeros((32, 478, 3))
    state["x_proj.weight"] = np.zeros(())
    message = refusal(state, "film")
    assert "film" in message
    assert "missing: encoder.conv0.0.weight, x_proj.bias;" in message
    assert "unknown: decoder.weight;" in message
    for name in ("smile_head.1.weight (2, 256)", "downsample.0.weight (32, 478, 3)", "x_proj.weight ()"):
        assert name in message[message.index("another shape: ") :]


def test_from_torch_refuses():
    with pytest.raises(ValueError, match=r"missing.*gate_linear\.bias.*unknown: x_proj"):
        from_torch(zeros("hadamard"), "gated_concatenation")
    with pytest.raises(ValueError, match=r"narrower encoder.*head_from_torch"):
        from_torch({"feature_proj.weight": np.zeros((256, 8192))}, "factorized_bilinear")
    with pytest.raises(ValueError, match=r"'none'.*authors' release.*hadamard"):
        from_torch({}, "none")
    with pytest.raises(ValueError, match=r"missing.*fusion_mlp\.0"):
        head_from_torch({}, "bilinear")


@pytest.mark.parametrize("fusion", NOT_RELEASED)
@pytest.mark.parametrize("convert", [from_torch, head_from_torch, to_torch])
def test_a_fusion_that_the_authors_did_not_release_is_refused(convert, fusion):
    assert f"{fusion!r} is not in the authors' release" in refusal({}, fusion, convert)


@ignore_blind
@pytest.mark.parametrize("fusion", TENSORS["head"])
def test_every_released_head_is_taken(fusion):
    head = {name: np.ones(shape) for name, shape in TENSORS["head"][fusion].items()}
    taken = head_from_torch(head, fusion)["params"]
    size = sum(int(np.prod(shape)) for shape in TENSORS["head"][fusion].values())
    assert sum(leaf.size for leaf in _leaves(taken)) == size


def _leaves(tree: dict) -> list[np.ndarray]:
    return [leaf for value in tree.values() for leaf in (_leaves(value) if isinstance(value, dict) else [value])]


def test_at_most_five_names_of_a_kind_are_listed():
    assert len(zeros("hadamard")) == 309
    message = refusal({f"tensor_{number}": np.zeros(()) for number in range(7)}, "hadamard")
    assert "unknown: tensor_0, tensor_1, tensor_2, tensor_3, tensor_4 and 2 more." in message
    assert message.count("encoder.cic") == 5 and "and 304 more;" in message
    assert len(message) < 600
    shapes = refusal({name: np.zeros((1, 2, 3, 4)) for name in zeros("hadamard")}, "hadamard")
    assert "missing" not in shapes and "and 304 more." in shapes
    assert len(shapes) < 600


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "net.model."])
def test_a_prefix_that_all_names_share_is_ignored(prefix):
    state = zeros("hadamard") | {"encoder.conv0.1.num_batches_tracked": np.array(7)}
    state["x_proj.weight"][3, 5] = 2
    prefixed = {prefix + name: value for name, value in state.items()}
    assert from_torch(prefixed, "hadamard")["params"]["fusion"]["x_map"]["kernel"][5, 3] == 2
    assert head_from_torch(prefixed, "hadamard")["params"]["fusion"]["x_map"]["kernel"][5, 3] == 2


def test_the_narrower_encoder_is_recognised_behind_a_prefix_too():
    state = {f"module.{name}": np.zeros(shape) for name, shape in TENSORS["head"]["bilinear"].items()}
    assert "narrower encoder" in refusal(state | {"module.feature_proj.weight": np.zeros((256, 8192))}, "bilinear")


def test_a_prefix_that_only_some_names_have_is_not():
    state = zeros("hadamard")
    state["module.head.bias"] = state.pop("smile_head.1.bias")
    message = refusal(state, "hadamard")
    assert "missing: smile_head.1.bias; unknown: module.head.bias." in message


def test_names_of_one_module_have_no_prefix():
    state = {"fusion_mlp.0.weight": np.zeros((256, 256)), "fusion_mlp.0.bias": np.zeros(256)}
    message = refusal(state, "hadamard", head_from_torch)
    assert "missing" in message and "unknown" not in message and "fusion_mlp.0" not in message


@pytest.mark.parametrize("convert", [from_torch, head_from_torch])
def test_a_whole_checkpoint_is_recognised(convert):
    optimizer = {"state": {}, "param_groups": []}
    for name in ("state_dict", "model"):
        checkpoint = {"optimizer": optimizer, name: zeros("hadamard"), "epoch": 3}
        message = refusal(checkpoint, "hadamard", convert)
        assert f"looks like a whole checkpoint: pass its {name!r}" in message
        assert len(message) < 100


def test_from_torch_lays_out_as_flax_does():
    state = zeros("hadamard")
    state["x_proj.weight"][3, 5] = 2  # from component 5 to component 3
    state["downsample.0.weight"][7, 100, 0] = 4  # from point 100 to token 7
    variables = from_torch(state, "hadamard")
    assert variables["params"]["fusion"]["x_map"]["kernel"][5, 3] == 2
    assert variables["params"]["tokens"]["kernel"][100, 7] == 4
    assert variables["params"]["tokens"]["kernel"].dtype == np.float32
    form = np.zeros((256, 256, 256), np.float32)
    form[1, 2, 3] = 5  # x_2 z_3 to component 1
    head = head_from_torch(zeros("bilinear") | {"bilinear.bilinear.weight": form}, "bilinear")
    assert head["params"]["fusion"]["form"]["kernel"][2, 3, 1] == 5


@ignore_blind
@pytest.mark.parametrize("fusion", TENSORS["head"])
def test_to_torch_undoes_from_torch(fusion):
    """Names, shapes and order of axes are those of the release; each value is a fixed function of its name."""
    state = ENCODER | head(fusion)
    back = to_torch(from_torch(state, fusion), fusion)
    assert back.keys() == state.keys()
    for name, value in state.items():
        assert back[name].shape == tuple(value.shape) and back[name].dtype == value.dtype, name
        np.testing.assert_array_equal(back[name], value, err_msg=name)
        assert back[name].flags.c_contiguous, name


@ignore_blind
@pytest.mark.parametrize("fusion", TENSORS["head"])
def test_from_torch_undoes_to_torch(fusion):
    """From float32 on a device, as training leaves variables."""
    model = DFuseSmileNet(fusion=fusion, variant="authors")
    rng = np.random.default_rng(0)
    shapes = encoder_shapes(model) | classifier_shapes(model)
    flat = {path: jnp.asarray(rng.standard_normal(shape, np.float32)) for path, shape in shapes.items()}
    back = traverse_util.flatten_dict(
        from_torch(to_torch(traverse_util.unflatten_dict(flat, "/"), fusion), fusion), sep="/"
    )
    assert back.keys() == flat.keys()
    for path, value in flat.items():
        assert back[path].dtype == np.float32
        np.testing.assert_array_equal(back[path], value, err_msg=path)


def test_to_torch_lays_out_as_pytorch_does():
    variables = from_torch(zeros("hadamard"), "hadamard")
    variables["params"]["fusion"]["x_map"]["kernel"][5, 3] = 2  # from component 5 to component 3
    variables["params"]["tokens"]["kernel"][100, 7] = 4  # from point 100 to token 7
    state = to_torch(variables, "hadamard")
    assert state["x_proj.weight"][3, 5] == 2
    assert state["downsample.0.weight"][7, 100, 0] == 4


def test_to_torch_lists_what_does_not_fit():
    variables = from_torch(zeros("hadamard"), "hadamard")
    del variables["params"]["tokens"]
    variables["params"]["fusion"]["gate"] = {"bias": np.zeros(3)}
    variables["params"]["head"]["bias"] = np.zeros((6, 1))
    message = refusal(variables, "hadamard", to_torch)
    assert "not variables of the full-size model with the fusion 'hadamard' and the variant 'authors'" in message
    assert "missing: params/tokens/kernel" in message
    assert "unknown: params/fusion/gate/bias;" in message
    assert "of another shape: params/head/bias (6, 1)." in message


def test_to_torch_refuses_variables_of_another_size_fusion_or_variant():
    landmarks, dmarkers, _ = batch(1)
    tiny = variables_of(DFuseSmileNet(**TINY), landmarks, dmarkers)
    message = refusal(tiny, "hadamard", to_torch)
    assert "of another shape" in message and len(message) < 1200
    gated = from_torch(zeros("gated_concatenation"), "gated_concatenation")
    assert "unknown: params/fusion/gate/" in refusal(gated, "hadamard", to_torch)
    film = classifier_shapes(DFuseSmileNet(fusion="film"))  # the paper's has a norm that the release has not
    film |= encoder_shapes(DFuseSmileNet(fusion="film"))
    variables = traverse_util.unflatten_dict({path: np.zeros(shape) for path, shape in film.items()}, "/")
    assert "variant 'authors'. Variables unknown: params/fusion/x_norm" in refusal(variables, "film", to_torch)
