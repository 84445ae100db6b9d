"""A trained cross-validation asked about new videos: the mean over the models of all its folds and runs."""

import functools
import json
import pathlib
from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax import dmarkers, samples, train
from dfuse_jax.data import features
from dfuse_jax.experiments.crossval import build_model, build_settings
from dfuse_jax.extract.mesh import extract
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale


class Trained(NamedTuple):
    """The models of a finished run: whose they are, their config, and [K, ...] states."""

    name: str
    note: str
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
        model = build_model(config["model"]).on(jax.default_backend(), models)
        settings = build_settings(config)
    except FileNotFoundError as error:
        raise UserError(
            f"--checkpoint {directory}: no finished run there (no results.json). Run launch/cv.py "
            f"--workdir={directory} to its end, or give its folder."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{directory / 'results.json'} is damaged, or of another version ({error}). Delete it and run launch/cv.py "
            "again with the same --workdir: it is made anew from the checkpoints."
        ) from error
    if not (directory / "model").is_dir():
        raise UserError(f"{directory / 'model'}: no such folder. Delete results.json and run launch/cv.py again.")
    _, states = train.Checkpoints(directory / "model", create=False).restore(train.blank(model, settings, models))
    return Trained(results["name"], results["note"], config, model, settings, states)


@functools.lru_cache(maxsize=4)
def _compiled(model: DFuseSmileNet, settings: train.Settings):
    return jax.jit(train.beside(functools.partial(train.predict, model, settings), 1))


def predict(trained: Trained, sample: Sample) -> np.ndarray:
    """Probability that the smile is spontaneous, by each of the K models: [K]."""
    options = trained.config["dmarkers"]
    found = features.compute([sample], definition=options["definition"], smoothing=options["smoothing"] or None)
    # A second video of blank frames rounds the number of frames up, so that videos share what is compiled.
    blank = np.zeros((-len(sample.landmarks) % 256 + 1, *sample.landmarks.shape[1:]), np.float32)
    frames = [scale(sample.landmarks), blank]
    videos = train.pack(trained.model, frames, np.zeros(2), np.concatenate([found, found]))
    key = jax.random.key(trained.settings.seed)
    probabilities = _compiled(trained.model, trained.settings)(trained.states, videos, np.zeros(1, np.int32), key)
    return np.asarray(probabilities)[:, 0]


def draw(trained: Trained, sample: Sample, path: pathlib.Path, title: str) -> None:
    """Draws what the D-Markers see in the sample, under the definition that the models were trained with, as a PNG."""
    options = trained.config["dmarkers"]
    authors = options["definition"] == "authors"
    dmarkers.plot(
        path,
        scale(sample.landmarks) if authors else sample.landmarks,
        sample.fps,
        aspect=sample.aspect,
        definition=options["definition"],
        smoothing=options["smoothing"] or None,
        title=title,
    )


def tell(trained: Trained, path: str, directory: pathlib.Path) -> str:
    """One line on a video (or a sample that launch/extract.py made); draws its signals to `directory`/<name>.png."""
    sample = samples.load(path) if path.endswith(".npz") else extract(path)
    probabilities = predict(trained, sample)
    verdict = f"spontaneous with probability {probabilities.mean():.1%}"
    plot = directory / f"{sample.name}.png"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        draw(trained, sample, plot, f"{sample.name}: {verdict}\n{trained.name}: {trained.note}")
    except OSError as error:
        raise UserError(f"--out {directory}: {plot.name} cannot be written ({error.strerror}).") from error
    models = f"{len(probabilities)} models, {probabilities.min():.1%} to {probabilities.max():.1%}"
    frames, clip = len(sample.landmarks), trained.settings.clip_frames
    caution = f"; caution, {frames} frames are less than a clip of {clip}" if frames < clip else ""
    return f"{path}: {verdict} ({models}); signals in {plot}{caution}"
