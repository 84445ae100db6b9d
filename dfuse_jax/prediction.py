"""A trained cross-validation asked about new videos: the mean over the models of all its folds and runs."""

import functools
import json
import pathlib
from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax import dmarkers, train
from dfuse_jax.crossval import build_model, build_settings
from dfuse_jax.data import features
from dfuse_jax.data.samples import Sample, scale
from dfuse_jax.errors import UserError
from dfuse_jax.extract.mesh import extract
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.report import plots


class Trained(NamedTuple):
    """The models of a finished run: their config, and [K, ...] states."""

    config: dict
    model: DFuseSmileNet
    settings: train.Settings
    states: train.State


def load(directory: pathlib.Path) -> Trained:
    """Reads the folder of a finished run of launch/cv.py.

    Raises:
        UserError: there is no finished run, or its model does not fit its config.
    """
    if not directory.is_dir():
        raise UserError(f"--checkpoint {directory}: no such folder. It is the folder of a finished launch/cv.py run.")
    try:
        results = json.loads((directory / "results.json").read_text())
        config, models = results["config"], results["runs"] * results["folds"]
    except FileNotFoundError as error:
        raise UserError(
            f"--checkpoint {directory}: no finished run there (no results.json). Run launch/cv.py "
            f"--workdir={directory} to its end, or give its folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory / 'results.json'} is damaged ({error}). Run launch/cv.py again.") from error
    model, settings = build_model(config["model"]), build_settings(config)
    saved = train.Checkpoints(directory / "model", create=False)
    if saved.latest is None:
        raise UserError(f"{directory / 'model'}: holds no model. Run launch/cv.py again in another folder.")
    return Trained(config, model, settings, saved.restore(train.blank(model, settings, models)))


def predict(trained: Trained, sample: Sample) -> np.ndarray:
    """Probability that the smile is spontaneous, by each of the K models: [K]."""
    options = trained.config["dmarkers"]
    found = features.compute([sample], definition=options["definition"], smoothing=options["smoothing"] or None)
    videos = train.pack(trained.model, [scale(sample.landmarks)], [0], found)
    key = jax.random.key(trained.settings.seed)
    one = functools.partial(train.predict, trained.model, trained.settings)
    every = jax.jit(jax.vmap(one, in_axes=(0, None, None, None)))
    return np.asarray(every(trained.states, videos, np.zeros(1, np.int32), key))[:, 0]


def trace(trained: Trained, sample: Sample) -> tuple[dict, dict]:
    """What the D-Markers see: signals {region: [T]}, and phases {name: (first, past the last) frame, None if empty}."""
    options = trained.config["dmarkers"]
    authors = options["definition"] == "authors"
    found = dmarkers.signals(
        scale(sample.landmarks) if authors else sample.landmarks,
        aspect=sample.aspect,
        definition=options["definition"],
        smoothing=options["smoothing"] or None,
    )
    signals = dict(zip(dmarkers.REGIONS, np.asarray(found.mean), strict=True))
    frames = np.asarray(dmarkers.phases(signals["lip"], definition=options["definition"]))
    spans = {}
    for phase, inside in zip(dmarkers.PHASES, frames, strict=True):
        (where,) = np.nonzero(inside)
        spans[phase] = (int(where[0]), int(where[-1]) + 1) if len(where) else None
    return signals, spans


def tell(trained: Trained, video: str, directory: pathlib.Path) -> str:
    """One line on one video: its probability and the models' range; draws its signals to `directory`/<name>.png."""
    sample = extract(video)
    probabilities = predict(trained, sample)
    signals, phases = trace(trained, sample)
    mean = probabilities.mean()
    verdict = f"spontaneous with probability {mean:.1%}"
    plot = directory / f"{sample.name}.png"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        plots.signals(plot, signals, phases, sample.fps, f"{sample.name}: {verdict}")
    except OSError as error:
        raise UserError(f"--out {directory}: {plot.name} cannot be written ({error.strerror}).") from error
    models = f"{len(probabilities)} models, {probabilities.min():.1%} to {probabilities.max():.1%}"
    return f"{video}: {verdict} ({models}); signals in {plot}"
