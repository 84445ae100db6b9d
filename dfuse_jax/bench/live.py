"""How quick the live page is: a browser with a clip as its camera, and the server, on the same cores."""

import pathlib

import jax
import numpy as np

from dfuse_jax import systems, train
from dfuse_jax.evaluate.outcome import Environment, Outcome
from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.experiments import model_file, predict, recipe
from dfuse_jax.experiments.model_file import Contents
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Replica


def write_untrained(path: pathlib.Path) -> None:
    """Writes a full-size model with random weights, whose answers mean nothing, to a file that `predict.load` reads."""
    config = recipe.read("hadamard", recipe.FOLDER).to_dict()
    system = systems.build(config)
    assert isinstance(system, Neural)
    shapes = train.trained_shapes(system.network, system.settings, system.example)
    rng = np.random.default_rng(0)
    leaves = []
    for place, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        scales = any(word in jax.tree_util.keystr(place) for word in ("std", "var", "scale"))
        values = np.ones(leaf.shape) if scales else rng.normal(0, 0.05, leaf.shape)
        leaves.append(values[None].astype(leaf.dtype))
    state = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    results = compute_results(_nobody(config))
    contents = Contents(results, ((1, 1),), system.pack(state, [0]))
    model_file.write(path, contents, predict.Trained(results, ((1, 1),), system, state).card)


def _nobody(config: dict) -> Outcome:
    """Returns the outcome of a run that there was none of: four videos, at which it guessed."""
    nothing = np.array([], int)
    replica = Replica(0, 0, np.array([0, 1]), nothing, np.array([2, 3]))
    return Outcome(
        name="untrained",
        note="Random weights, for measuring times: what it says means nothing.",
        names=list("abcd"),
        subjects=list("abcd"),
        subjects_known=True,
        labels=np.array([0, 1, 0, 1]),
        frames=np.array([100] * 4),
        fps=[30.0] * 4,
        image_sizes=[(640, 360)] * 4,
        replicas=[replica],
        losses=np.zeros((1, 1)),
        probabilities=np.full((1, 1, 2), 0.5, np.float32),
        seconds=0.0,
        epoch_seconds=None,
        fold_steps=0,
        clips=0,
        environment=Environment("cpu", "cpu", 1, 1, "float32", False),
        config=config,
    )
