"""A finished cross-validation asked about new videos: the mean over the models of all its folds and runs."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from dfuse_jax import dmarkers, systems
from dfuse_jax.evaluate.results import read_results
from dfuse_jax.experiments import recipe, workdir
from dfuse_jax.experiments.crossval import FITTED
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import System


@dataclasses.dataclass(frozen=True)
class Trained:
    """The models of a finished run: those that were trained on whole training folds, K of them.

    Attributes:
        name: of the run.
        note: what a reader must know of it before its numbers.
        config: of the run.
        system: that was fitted.
        fitted: what it learnt.
    """

    name: str
    note: str
    config: Mapping
    system: System
    fitted: Any

    def predict(self, sample: Sample) -> Float[np.ndarray, " models"]:
        """Returns the probability that the smile is spontaneous, by each of the models."""
        return self.system.predict(self.fitted, self.system.inputs([sample]))[:, 0]

    def plot(self, sample: Sample, path: pathlib.Path, title: str) -> None:
        """Draws what the D-Markers see in the sample, under the definition that the run was trained with, as a PNG."""
        options = self.config.get("dmarkers", recipe.dmarkers(recipe.FOLDER))
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


def load(directory: str | pathlib.Path) -> Trained:
    """Reads the folder of a finished run.

    Raises:
        UserError: there is no finished run, it is of another version, or its models do not fit its config.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        raise UserError(f"{directory}: no such folder; expected that of a finished run.", remedy="finished_run")
    workdir.check_version(directory)
    try:
        results = read_results(directory / "results.json")
        name, note, config = results["name"], results["note"], results["config"]
        models = results["runs"] * results["folds"]
        system = systems.build(config)
    except FileNotFoundError as error:
        raise UserError(f"{directory}: no finished run there (no results.json).", remedy="finished_run") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{directory / 'results.json'} is damaged ({error}). Delete it and train again: it "
            "is made anew from the checkpoints.",
            remedy="train_again",
        ) from error
    if not (directory / FITTED).is_dir():
        raise UserError(f"{directory / FITTED}: no such folder, so the models are lost.", remedy="train_again")
    return Trained(name, note, config, system, system.load(directory / FITTED, models))
