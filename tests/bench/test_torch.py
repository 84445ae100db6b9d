"""The PyTorch baseline: against values of the authors' own code (see support/goldens), if torch is here."""

import sys

import numpy as np
import pytest
from goldens import ENCODER, GOLDEN, TENSORS, head

from dfuse_jax.bench.torch import baseline as torch_baseline
from dfuse_jax.models import from_torch
from dfuse_jax.runtime.errors import UserError

WEIGHTS = ENCODER | head("hadamard")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def model(torch):
    model = torch_baseline.build(dropout=0.0).double()
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in WEIGHTS.items()}, strict=True)
    return model


@pytest.fixture
def inputs(torch):
    return tuple(torch.from_numpy(GOLDEN[name]).double() for name in ("clips", "dmarkers"))


@pytest.mark.parametrize("call", [torch_baseline.build, torch_baseline.time_step])
def test_without_torch_the_extra_is_named(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r'torch cannot be imported.*pip install -e "\.\[baseline\]"'):
        call()


@pytest.mark.parametrize("wrong", [{"dtype": "float16"}, {"steps": 0}, {"batch": 0}])
def test_impossible_timings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        torch_baseline.time_step(**wrong)


def test_evaluation(torch, model, inputs):
    with torch.no_grad():
        embedding = model.eval().encode(inputs[0])
        probability = model(*inputs).sigmoid()
    np.testing.assert_allclose(embedding, GOLDEN["embedding"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(probability, GOLDEN["hadamard/eval_prob"], rtol=0, atol=1e-6)


def test_training(torch, model, inputs):
    logits = model.train()(*inputs)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(GOLDEN["labels"]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), GOLDEN["hadamard/train_loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(logits.detach().sigmoid(), GOLDEN["hadamard/train_prob"], rtol=0, atol=1e-6)
    names = [name for name in TENSORS["encoder"] if "running" not in name] + list(TENSORS["head"]["hadamard"])
    found = {name: parameter.grad.norm().item() for name, parameter in model.named_parameters()}
    assert found.keys() == set(names)
    np.testing.assert_allclose([found[n] for n in names], GOLDEN["hadamard/gradient_norms"], rtol=1e-4, atol=1e-12)


def test_state_dict_is_a_published_one(torch):
    state = {name: value.numpy() for name, value in torch_baseline.build().state_dict().items()}
    variables = from_torch(state, "hadamard")
    # A Dense kernel is the transposed weight; He: the variance is 2 / fan-in.
    kernel = variables["params"]["fusion"]["x_map"]["kernel"]
    np.testing.assert_array_equal(kernel, state["x_proj.weight"].T)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 256), rel=0.02)


@pytest.mark.parametrize("train", [True, False])
def test_timing(torch, train):
    found = torch_baseline.time_step(1, 1, steps=2, train=train, dtype="bfloat16" if train else "float32")
    assert 0 < found["ms"] <= found["ms_median"]
    assert found["steps"] == 2
    assert found["torch"] == torch.__version__
    assert (found["peak_bytes"] is None) == (not torch.cuda.is_available())
    assert torch_baseline.time_step(1, 1, steps=9, train=train, seconds=1e-9)["steps"] == 1
