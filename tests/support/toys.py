"""Two systems that share nothing with D-FuseSmileNet: a network on pixels with two heads, and one without epochs."""

import functools
import pathlib
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dfuse_jax import dmarkers, systems
from dfuse_jax.systems import neural
from dfuse_jax.train import History, Inputs, Progress, cross_entropy, end_to_end

SIDE = 8


def recipe(system, **train):
    """The recipe of a toy on a few synthetic smiles."""
    return ConfigDict(
        {
            "name": f"toy-{system}",
            "note": "A toy.",
            "system": system,
            "seed": 0,
            "data": {"source": "synthetic", "dir": "", "shuffle": "nothing", "videos": 24, "subjects": 12},
            "cv": {"folds": 3, "runs": 1, "validation_share": 0.25},
            "model": {"dropout": 0.2},
            "train": {
                "epochs": 4,
                "batch_size": 4,
                "optimizer": {"name": "sgd", "momentum": 0.9, "warmup_epochs": 1, "milestones": (2,)},
                "learning_rate": 0.05,
                "last_epoch_factor": 1.0,
                "weight_decay": 1e-4,
                "clip_frames": 6,
                "eval_windows": 2,
                "checkpoint_every": 1,
                "replicas_per_pass": 4,
            }
            | train,
        }
    )


# --- a network on pixels: convolutions, a second head that guesses the video's length, its own loss


class Outputs(NamedTuple):
    logits: jax.Array
    length: jax.Array


class PixelNet(nn.Module):
    """Pixels [B, T, 8, 8] to a logit and the video's standardised length."""

    @nn.compact
    def __call__(self, clip, video, *, train=False, dropout=0.0):
        x, precision = clip["pixels"][..., None], {"param_dtype": jnp.result_type(float)}
        x = nn.relu(nn.Conv(4, (3, 3), **precision)(x)).mean(axis=(1, 2, 3))
        if train:
            kept = jax.random.bernoulli(self.make_rng("dropout"), 1 - dropout, x.shape)
            x = jnp.where(kept, x / (1 - dropout), 0)
        return Outputs(
            nn.Dense(1, name="smile", **precision)(x)[:, 0], nn.Dense(1, name="length", **precision)(x)[:, 0]
        )

    @nn.nowrap
    def loss(self, outputs, label, video, params, *, weight=1.0):
        regression = jnp.mean((outputs.length - video["length"]) ** 2)
        penalty = sum(jnp.sum(x**2) for x in jax.tree.leaves(params))
        return cross_entropy(outputs, label, weight) + 0.1 * regression + 1e-3 * penalty

    @nn.nowrap
    def suited_to(self, platform, replicas):
        return self


def draw(sample):
    """Pictures [T, 8, 8] of a face: how many of its landmarks fall into each square."""
    points = sample.landmarks[..., :2]
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    cell = np.minimum((points - low) / (high - low) * SIDE, SIDE - 1).astype(int)
    flat = cell[..., 1] * SIDE + cell[..., 0]
    counts = np.stack([np.bincount(frame, minlength=SIDE * SIDE) for frame in flat])
    return (counts.reshape(-1, SIDE, SIDE) / 10).astype(jnp.result_type(float))


def pixel_inputs(samples):
    length = np.array([len(sample.landmarks) for sample in samples], np.int32)
    return Inputs(
        per_frame={"pixels": end_to_end((draw(sample) for sample in samples), frames=int(length.sum()))},
        per_video={"length": length.astype(jnp.result_type(float))},
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=np.array([sample.label or 0 for sample in samples], jnp.result_type(float)),
    )


def build_pixels(config):
    neural.check(config)
    shape = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.result_type(float))
    return neural.Neural(
        name="pixels",
        network=PixelNet(),
        settings=neural.settings(config),
        tuning=neural.tuning(config),
        inputs=pixel_inputs,
        example=Inputs(
            {"pixels": shape((2, SIDE, SIDE))}, {"length": shape((1,))}, shape((1,)), shape((1,)), shape((1,))
        ),
        checkpoint_every=config["train"]["checkpoint_every"],
        replicas_per_pass=config["train"]["replicas_per_pass"],
    )


# --- a system without epochs: logistic regression on the D-Markers


class Logistic:
    """Standardised D-Markers and their weights; what it learns is a file of arrays."""

    name = "logistic"
    parameters = None

    def inputs(self, samples):
        features = dmarkers.compute_batch(
            [sample.landmarks for sample in samples],
            [sample.fps for sample in samples],
            aspect=[sample.aspect for sample in samples],
        )
        length = np.array([len(sample.landmarks) for sample in samples], np.int32)
        label = np.array([sample.label or 0 for sample in samples], np.float32)
        return Inputs({}, {"dmarkers": features}, np.cumsum(length) - length, length, label)

    def fit(self, inputs, replicas, directory, *, on_epoch):
        features = inputs.per_video["dmarkers"]
        longest = max(len(replica.val) + len(replica.test) for replica in replicas)
        history = History.empty(1, len(replicas), longest)
        weights = []
        for number, replica in enumerate(replicas):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
            model.fit(features[replica.train], inputs.label[replica.train])
            evaluated = np.concatenate([replica.val, replica.test])
            history.probabilities[0, number, : len(evaluated)] = model.predict_proba(features[evaluated])[:, 1]
            scaler, regression = model[0], model[1]
            weights.append([scaler.mean_, scaler.scale_, regression.coef_[0], regression.intercept_[0]])
        directory.mkdir(parents=True, exist_ok=True)
        np.savez(directory / "weights.npz", *(np.array(column) for column in zip(*weights, strict=True)))
        on_epoch(Progress(done=1, epochs=1, groups=[range(len(replicas))], history=history))
        return history

    def load(self, directory: pathlib.Path, replicas: int):
        with np.load(directory / "weights.npz") as file:
            return [file[name][:replicas] for name in file.files]

    def predict(self, fitted, inputs):
        mean, scale, weights, bias = fitted
        scaled = (inputs.per_video["dmarkers"] - mean[:, None]) / scale[:, None]
        return 1 / (1 + np.exp(-np.einsum("rvf,rf->rv", scaled, weights) - bias[:, None]))

    def epoch_work(self, replicas):
        return 0, 0


def register():
    """Makes both known."""
    systems.register("pixels", build_pixels)
    systems.register("logistic", lambda config: Logistic())
