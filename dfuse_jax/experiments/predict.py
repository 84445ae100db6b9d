"""Trained models asked about new videos: those of a finished cross-validation, or some of them in a file."""

import dataclasses
import itertools
import pathlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from dfuse_jax import dmarkers, systems
from dfuse_jax.evaluate.results import read_results
from dfuse_jax.experiments import model_file, recipe, workdir
from dfuse_jax.experiments.crossval import FITTED
from dfuse_jax.experiments.model_file import Contents
from dfuse_jax.extract import flags
from dfuse_jax.report.run import card
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import Portable, System

RATE_TOLERANCE = 1.25  # 24 and 30 frames per second are alike to a model of 16 frames a clip, 25 and 50 are not


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What models say of a smile.

    Attributes:
        probabilities: that it is spontaneous, by each model; none where it was not judged.
        reason: why it was not judged; empty where it was.
        cautions: why to be careful with the number, in words that follow "caution: ".
    """

    probabilities: Float[np.ndarray, " models"]
    reason: str
    cautions: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Models of a finished run that were trained on whole training folds.

    Attributes:
        results: of the run, as in results.json.
        models: (run, fold) of each model, from 1.
        system: that was fitted.
        fitted: what it learnt.
        folder: of the run; None: they come from a file.
    """

    results: Mapping
    models: tuple[tuple[int, int], ...]
    system: System
    fitted: Any
    folder: pathlib.Path | None = None

    @property
    def name(self) -> str:
        """The run's name."""
        return self.results["name"]

    @property
    def note(self) -> str:
        """What a reader must know of the run before its numbers."""
        return self.results["note"]

    @property
    def config(self) -> Mapping:
        """The run's recipe."""
        return self.results["config"]

    @property
    def dmarkers_options(self) -> dict[str, Any]:
        """The definition and the smoothing of the D-Markers that the run was trained with, or of one's own videos."""
        options = self.config.get("dmarkers", recipe.dmarkers(recipe.FOLDER))
        return {"definition": options["definition"], "smoothing": options["smoothing"] or None}

    @property
    def card(self) -> str:
        """The model card, Markdown: data, protocol, numbers, and what the models must not be used for."""
        return card.markdown(self.results, self.models)

    @property
    def sees_pictures(self) -> bool:
        """Whether the models need pictures of the face (chips), and not landmarks alone."""
        return bool(self.config["data"].get("chips", False))

    def predict(self, sample: Sample) -> Float[np.ndarray, " models"]:
        """Returns the probability that the smile is spontaneous, by each of the models."""
        return self.system.predict(self.fitted, self.system.inputs([sample]))[:, 0]

    def judge(self, sample: Sample) -> Verdict:
        """Returns what `predict` says, unless the smile rests on frames in which the camera did not see the face."""
        reason = flags.refusal(sample)
        if reason is not None:
            return Verdict(np.zeros(0), reason, ())
        return Verdict(self.predict(sample), "", self.cautions(sample))

    def cautions(self, sample: Sample) -> tuple[str, ...]:
        """Returns why to be careful with the probability of a smile, in words that follow "caution: "."""
        return tuple(self._find_cautions(sample))

    def _find_cautions(self, sample: Sample) -> Iterator[str]:
        if sample.network is not None:
            yield f"its landmarks are those of {sample.network}, another network than the one that the models know"
        frames, clip = len(sample.landmarks), self.config.get("train", {}).get("clip_frames", 0)
        if frames < clip:
            yield f"its {frames} frames are less than a clip of {clip}"
        rates = self.results["data"].get("fps")
        if rates and not rates[0] / RATE_TOLERANCE <= sample.fps <= rates[1] * RATE_TOLERANCE:
            learnt = " to ".join(f"{rate:.4g}" for rate in sorted(set(rates)))
            yield f"it has {sample.fps:.4g} frames per second, and the training videos had {learnt}"

    def plot(self, sample: Sample, path: pathlib.Path, title: str) -> None:
        """Draws what the D-Markers see in the sample, under the definition that the run was trained with, as a PNG."""
        options = self.dmarkers_options
        landmarks = scale(sample.landmarks) if options["definition"] == "authors" else sample.landmarks
        dmarkers.plot(path, landmarks, sample.fps, aspect=sample.aspect, title=title, **options)

    def some(self, count: int) -> "Trained":
        """Returns some of the models, spread evenly over the folds: a quicker answer, and a rougher spread.

        Args:
            count: how many, at most as many as there are.

        Raises:
            UserError: there are fewer models, none was asked for, or they cannot be taken out of their run.
        """
        if not 1 <= count <= len(self.models):
            raise UserError(
                f"{self.name} has {len(self.models)} models, so one can ask 1 to {len(self.models)} of them."
            )
        by_fold = sorted(range(len(self.models)), key=lambda n: self.models[n][::-1])
        numbers = sorted(by_fold[k * len(by_fold) // count] for k in range(count))
        system = self._portable()
        fitted = system.unpack(system.pack(self.fitted, numbers))
        return dataclasses.replace(self, models=tuple(self.models[n] for n in numbers), fitted=fitted)

    def export(self, path: str | pathlib.Path, *, run: int | None = 1, fold: int | None = 1) -> "Trained":
        """Writes some of the models to a file that `load` reads, without the folder of the run; see `model_file`.

        The default is one model that no test video has chosen. Several models stay as they are, side by side, and their
        probabilities are averaged: the mean of weights that began from different random numbers is no trained model.

        Args:
            path: ends in .npz.
            run: of the models, from 1; None: all runs.
            fold: of the models, from 1; None: all folds.

        Returns:
            What the file holds, as `load` returns it.

        Raises:
            UserError: there are no such models, the system has none to export, or the path cannot be written.
        """
        _check_number("run", run, {r for r, _ in self.models})
        _check_number("fold", fold, {f for _, f in self.models})
        numbers = [n for n, (r, f) in enumerate(self.models) if run in (None, r) and fold in (None, f)]
        arrays = self._portable().pack(self.fitted, numbers)
        results = {**self.results, "config": _without_folder(self.config)}
        contents = Contents(results, tuple(self.models[n] for n in numbers), arrays)
        exported = _from_contents(path, contents)
        model_file.write(path, contents, exported.card)
        return exported

    def _portable(self) -> Portable:
        """Returns the system; raises UserError if its models cannot be taken out of their run."""
        if not isinstance(self.system, Portable):
            raise UserError(f"{self.name}: models of the system {self.system.name!r} cannot leave the folder of a run.")
        return self.system


def load(path: str | pathlib.Path) -> Trained:
    """Reads the models of a finished run, or those that `Trained.export` wrote to a file.

    Args:
        path: the folder of the run, or the file.

    Raises:
        UserError: there is no finished run and no such file, it is of another version, or its models do not fit its
            recipe.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return _from_contents(path, model_file.read(path))
    if not path.is_dir():
        raise UserError(
            f"{path}: no such folder or file; expected that of a finished run or of an exported model.",
            remedy="finished_run",
        )
    return _from_run(path)


def _from_run(directory: pathlib.Path) -> Trained:
    workdir.check_version(directory)
    try:
        results = read_results(directory / "results.json")
        models = tuple(itertools.product(range(1, results["runs"] + 1), range(1, results["folds"] + 1)))
        system = _build(results)
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
    return Trained(results, models, system, system.load(directory / FITTED, len(models)), directory)


def _from_contents(path: str | pathlib.Path, contents: Contents) -> Trained:
    """Returns the models of a file; raises UserError if they do not fit the recipe in it."""
    try:
        system = _build(contents.results)
        if not isinstance(system, Portable):
            raise ValueError(f"models of the system {system.name!r} cannot be read from a file")
        fitted = system.unpack(contents.arrays)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise model_file.damaged(path, error) from error
    return Trained(contents.results, contents.models, system, fitted)


def _build(results: Mapping) -> System:
    """Returns the system of a run; raises ValueError, KeyError or TypeError if its results are damaged."""
    if lacking := [key for key in ("name", "note", "data", "protocols", "versions") if key not in results]:
        raise ValueError(f"it has no {lacking[0]!r}")
    return systems.build(results["config"])


def _check_number(noun: str, number: int | None, known: Collection[int]) -> None:
    """Raises UserError if there is no run or fold of that number."""
    if number is not None and number not in known:
        raise UserError(f"There is no {noun} {number} here, but {noun}s {min(known)} to {max(known)}.")


def _without_folder(config: Mapping) -> Mapping:
    """Returns the recipe without the path of the data, which nobody else has."""
    return {**config, "data": {**config["data"], "dir": ""}}
