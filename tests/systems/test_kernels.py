"""The choice between plain and fused kernels, on a described GPU, by a timer that is given."""

import dataclasses
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax import systems
from dfuse_jax.data import synthetic
from dfuse_jax.systems import kernels, neural
from dfuse_jax.train import Inputs, Replica, Settings, Tuning, cross_entropy
from tests.systems.test_networks import recipe


class Outputs(NamedTuple):
    logits: jax.Array


def right(x):
    return x


def half(x):
    return 0.5 * x


def not_a_number(x):
    return x * jnp.nan


def unsupported(x):
    raise NotImplementedError("no such instruction\nand more")


@dataclasses.dataclass(frozen=True)
class Linear:
    """A linear map, whose fused kernels are what a test says."""

    fused: object = right
    kernels: str = "auto"

    def init(self, key, clip, video):
        return {"params": {"weights": jax.random.normal(key, clip.shape[2:])}}

    def apply(self, variables, clip, video, *, train, dropout, rngs, mutable):
        logits = jnp.mean(clip, axis=1) @ variables["params"]["weights"]
        outputs = Outputs(self.fused(logits) if self.kernels == "fused" else logits)
        return (outputs, {}) if mutable is not False else outputs

    def loss(self, outputs, label, video, params):
        return cross_entropy(outputs, label)

    def suited_to(self, platform, replicas):
        assert platform == "gpu"
        return self

    def with_kernels(self, kernels):
        return dataclasses.replace(self, kernels=kernels)


SETTINGS = Settings(epochs=1, batch_size=4, clip_frames=3, eval_windows=1)
INPUTS = Inputs(
    per_frame=np.random.default_rng(0).normal(size=(31, 5)).astype(np.float32),
    per_video={},
    first=np.arange(0, 30, 5, dtype=np.int32),
    length=np.full(6, 5, np.int32),
    label=np.array([0, 1, 0, 1, 0, 1], np.float32),
)


def timer(*seconds):
    """Returns a timer of the plain kernels' and the fused ones' seconds; it calls what it times."""
    left = list(seconds)

    def time(call):
        jax.block_until_ready(call())
        return left.pop(0)

    return time


def choose(path, network, *seconds, platform="gpu"):
    return kernels.choose(
        path / kernels.NAME, network, SETTINGS, Tuning(), INPUTS, platform=platform, timer=timer(*seconds)
    )


@pytest.mark.parametrize(
    ("fused", "seconds", "expected", "reason"),
    [
        (right, (2.0, 1.0), "fused", "faster"),
        (right, (1.0, 2.0), "plain", "faster"),
        (half, (2.0, 1.0), "plain", "the fused kernels differ by more than rounding"),
        (not_a_number, (2.0, 1.0), "plain", "the fused kernels differ by more than rounding"),
        (unsupported, (), "plain", "the fused kernels failed: no such instruction"),
    ],
)
def test_what_agrees_and_is_faster_is_chosen_and_written_down(fused, seconds, expected, reason, tmp_path):
    assert choose(tmp_path, Linear(fused), *seconds) == expected
    written = json.loads((tmp_path / kernels.NAME).read_text())
    assert (written["kernels"], written["reason"]) == (expected, reason)
    if seconds:
        assert written["seconds"] == dict(zip(("plain", "fused"), seconds, strict=True))


def test_a_run_keeps_its_choice(tmp_path):
    assert choose(tmp_path, Linear(), 2.0, 1.0) == "fused"
    assert choose(tmp_path, Linear(unsupported)) == "fused"  # nothing is computed again


def test_on_a_cpu_it_is_plain_whatever_a_gpu_chose(tmp_path):
    assert choose(tmp_path, Linear(), platform="cpu") == "plain"
    assert list(tmp_path.iterdir()) == []
    choose(tmp_path, Linear(), 2.0, 1.0)
    assert choose(tmp_path, Linear(), platform="cpu") == "plain"


def test_a_run_trains_with_what_was_chosen(tmp_path, monkeypatch):
    """With its network's kernels and its optimiser's, after the folder is there and from the inputs of the run."""
    system = systems.build(recipe("meshsmilenet").to_dict())
    assert (system.kernels, system.settings.optimizer.fused) == ("auto", False)
    inputs = system.inputs(synthetic.generate(2, 1, seed=0))
    asked, trained = [], []

    def choose(path, network, settings, tuning, own, *, platform):
        assert path.parent.is_dir() and own is inputs
        asked.append(platform)
        return "fused"

    def train(network, own, replicas, tuning, settings, **options):
        trained.append((network.model.kernels, settings.optimizer.fused))
        return None, "history"

    monkeypatch.setattr(neural.kernels, "choose", choose)
    monkeypatch.setattr(neural.train, "train", train)
    replica = Replica(run=0, fold=0, train=np.arange(1), val=np.arange(0), test=np.arange(1))
    system = dataclasses.replace(system, replicas_per_pass=1)
    assert system.fit(inputs, [replica], tmp_path / "run") == "history"
    assert asked == [jax.local_devices()[0].platform] and trained == [("fused", True)]


@pytest.mark.slow
def test_the_encoders_fused_kernels_agree(tmp_path):
    """Interpreted; the timer, not the interpreter's time, decides."""
    system = systems.build(recipe("meshsmilenet").to_dict())
    inputs = system.inputs(synthetic.generate(8, 4, seed=0))
    comparison = kernels.compare(
        system.network, system.settings, system.tuning, inputs, platform="gpu", timer=timer(2.0, 1.0)
    )
    assert comparison["kernels"] == "fused" and 0 < comparison["difference_of_allowed"] < 0.5


def test_what_a_gpu_trained_is_plain_on_a_cpu(monkeypatch):
    """Which could only interpret the fused kernels."""
    asked = []

    def predict(network, settings, platform):
        asked.append(network.model.kernels)
        raise InterruptedError

    monkeypatch.setattr(neural, "_predict", predict)
    system = systems.build(recipe("meshsmilenet", **{"model.kernels": "fused"}).to_dict())
    with pytest.raises(InterruptedError):
        system.predict(jnp.zeros(1), INPUTS)
    assert asked == ["plain"]
