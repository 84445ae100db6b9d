"""Compares fusions or whole systems: the same folds, seeds and data for all, a cross-validation each, one table."""

import pathlib
import time
import warnings
from collections.abc import Mapping, Sequence

import jax
from ml_collections import ConfigDict

from dfuse_jax import systems
from dfuse_jax.evaluate.results import read_results
from dfuse_jax.experiments import crossval, recipe, workdir
from dfuse_jax.experiments.recipe import Config
from dfuse_jax.experiments.table5 import ROWS
from dfuse_jax.models import FUSIONS
from dfuse_jax.report import comparison
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError

OWN = ("fusions", "systems", "recipes")  # the fields of a comparison that its variants do not share


def noun(config: Config) -> str:
    """Returns what a comparison compares, "fusion" or "system"."""
    return "system" if "systems" in config else "fusion"


def chosen(config: Config) -> list[str]:
    """Returns the names in `config.fusions` or `config.systems`, each once; an entry may hold several names.

    Raises:
        UserError: an unknown one, or none at all.
    """
    kind = noun(config)
    names = [name.strip() for entry in config[f"{kind}s"] for name in str(entry).split(",")]
    options = FUSIONS if kind == "fusion" else config.recipes
    known = f"known: {', '.join(options)}"
    if not names:
        raise UserError(f"config.{kind}s is empty; {known}.")
    for name in names:
        if name not in options:
            raise UserError(f"config.{kind}s: unknown {kind} {name!r}; {known}.")
    return list(dict.fromkeys(names))


def shared_config(config: Config) -> dict:
    """Returns what makes variants comparable: all of a comparison's config but what belongs to single variants."""
    return {key: value for key, value in config.to_dict().items() if key not in OWN}


def variant(config: Config, name: str) -> Config:
    """Returns the recipe of one fusion or system."""
    own: Config = ConfigDict(shared_config(config))
    own.name = f"{config.name}-{name}"
    if noun(config) == "fusion":
        own.model.fusion = name
    else:
        own.update(config.recipes[name].to_dict())
    return own


def describe(config: Config, name: str, kind: str) -> dict:
    """Returns what the table says of a variant before it has run.

    Args:
        config: of the variant.
        name: of the fusion or system.
        kind: which of the two it is.

    Raises:
        UserError: a field cannot be, or the model cannot have these sizes.
    """
    recipe.check(config)
    parameters = {"parameters": systems.build(config).parameters}
    if kind == "system":
        return {**ROWS[name]._asdict(), **parameters}
    fusion = FUSIONS[name]
    return {"equations": fusion.equations, "sees_encoder": fusion.sees_encoder, **parameters}


def compare(config: Config, directory: pathlib.Path, *, tensorboard: bool | None = None) -> dict:
    """Cross-validates every chosen fusion or system that is not done yet, and writes the table anew after each.

    Of several processes all train, each sees `directory`, and the first alone writes reports.

    Args:
        config: a recipe with `fusions`, or with `systems` and their `recipes`.
        directory: holds the table and a folder for each variant; what lies there from an earlier call is not run again.
        tensorboard: whether to write events for TensorBoard; None: if what writes them is installed.

    Returns:
        What benchmark.json holds: the chosen variants, in their order.

    Raises:
        UserError: bad config, bad data, or a folder of another comparison.
    """
    variants = {name: variant(config, name) for name in chosen(config)}
    with warnings.catch_warnings():  # the lines and the table say so of all fusions at once
        warnings.filterwarnings("ignore", "the fusion .* cannot see the encoder")
        facts = {name: describe(own, name, noun(config)) for name, own in variants.items()}
        messages.agree("config", workdir.flatten(config.to_dict()))
        with workdir.locked(directory):
            messages.by_first(workdir.compare, directory / "config.json", shared_config(config), "config")
            return _Comparison(noun(config), variants, facts, shared_config(config), directory).run(
                tensorboard=tensorboard
            )


class _Comparison:
    """The variants of a comparison and what has become of them."""

    def __init__(
        self, kind: str, variants: Mapping[str, Config], facts: Mapping, config: Mapping, directory: pathlib.Path
    ):
        self.kind = kind
        self.variants = variants
        self.facts = facts
        self.config = config
        self.directory = directory
        self.results: dict[str, dict] = messages.by_first(self._finished)

    def run(self, *, tensorboard: bool | None) -> dict:
        """Runs what is not done yet; returns the table."""
        if self.results:
            messages.say(f"Finished already: {', '.join(self.results)}.")
        remaining = [name for name in self.variants if name not in self.results]
        if remaining:
            self._run(remaining, tensorboard=tensorboard)
        return messages.by_first(self._write)

    def _run(self, remaining: Sequence[str], *, tensorboard: bool | None) -> None:
        begin = time.perf_counter()
        first = self.variants[remaining[0]]
        data = crossval.read_data(first)
        messages.agree("data set", data.fingerprint)
        messages.by_first(crossval.claim, self.directory, self.config, data.fingerprint)  # only now: it led to data
        fusions = self.kind == "fusion"
        # The fusions all see the same.
        inputs = crossval.read_inputs(systems.build(first), data, first) if fusions else None
        for number, name in enumerate(remaining, 1):
            summary = FUSIONS[name].summary if fusions else self.facts[name]["title"]
            messages.say(f"[{number}/{len(remaining)}] {name}: {summary}")
            results = crossval.cross_validate(
                self.variants[name], self.directory / name, data, inputs, tensorboard=tensorboard
            )
            if results is not None:  # it was not finished when this comparison began
                self.results[name] = results
            jax.clear_caches()  # what is compiled for one variant serves no other
            messages.by_first(self._write)
            if number < len(remaining):
                seconds = (time.perf_counter() - begin) / number * (len(remaining) - number)
                rest = f"about {_duration(seconds)} to go for the other {len(remaining) - number}"
                messages.say(f"{name} is done; {rest}.")

    def _finished(self) -> dict[str, dict]:
        """Returns the results of the variants that are done."""
        results = {name: self._read(name) for name in self.variants}
        return {name: result for name, result in results.items() if result is not None}

    def _read(self, name: str) -> dict | None:
        path = self.directory / name / "results.json"
        if not path.exists():
            return None
        workdir.compare(path.with_name("config.json"), self.variants[name].to_dict(), "config")
        try:
            return read_results(path)
        except ValueError as error:
            raise UserError(
                f"{path} is damaged ({error}). Delete {path.parent}: this {self.kind} is then run again."
            ) from error

    def _write(self) -> dict:
        results = {name: self.results[name] for name in self.variants if name in self.results}
        standings = comparison.compute_standings(results, self.facts, kind=self.kind)
        comparison.write(self.directory, standings)
        return standings


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
