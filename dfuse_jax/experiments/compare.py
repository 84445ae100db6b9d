"""Compares fusions: the same folds, seeds and data for all, a cross-validation each, one table."""

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
from dfuse_jax.models import FUSIONS, sizes
from dfuse_jax.report import comparison
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import dfusesmilenet


def chosen_fusions(config: Config) -> list[str]:
    """Returns the names in `config.fusions`, each once; an entry may hold several with commas between.

    Raises:
        UserError: an unknown one, or none at all.
    """
    names = [name.strip() for entry in config.fusions for name in str(entry).split(",")]
    known = f"known: {', '.join(FUSIONS)}"
    if not names:
        raise UserError(f"config.fusions is empty; {known}.")
    for name in names:
        if name not in FUSIONS:
            raise UserError(f"config.fusions: unknown fusion {name!r}; {known}.")
    return list(dict.fromkeys(names))


def shared_config(config: Config) -> dict:
    """Returns all of a comparison's config but which fusions: what makes variants comparable."""
    return {key: value for key, value in config.to_dict().items() if key != "fusions"}


def variant(config: Config, fusion: str) -> Config:
    """Returns the recipe of one fusion."""
    config = ConfigDict(shared_config(config))
    config.name = f"{config.name}-{fusion}"
    config.model.fusion = fusion
    return config


def describe(config: Config) -> dict:
    """Returns what the table says of a variant before it has run: its equations, what it sees, what it learns.

    Raises:
        UserError: a field cannot be, or the model cannot have these sizes.
    """
    recipe.check(config)
    systems.build(config)
    fusion = FUSIONS[config.model.fusion]
    model = dfusesmilenet.build_model(config.model)
    return {
        "equations": fusion.equations,
        "sees_encoder": fusion.sees_encoder,
        "parameters": sizes.count_parameters(model),
    }


def compare(config: Config, directory: pathlib.Path) -> dict:
    """Cross-validates every chosen fusion that is not done yet, and writes the table anew after each.

    Of several processes all train, each sees `directory`, and the first alone writes reports.

    Args:
        config: a recipe with `fusions`.
        directory: holds the table and a folder for each fusion; what lies there from an earlier call is not run again.

    Returns:
        What benchmark.json holds: the chosen fusions, in their order.

    Raises:
        UserError: bad config, bad data, or a folder of another comparison.
    """
    variants = {name: variant(config, name) for name in chosen_fusions(config)}
    with warnings.catch_warnings():  # the lines and the table say so of all fusions at once
        warnings.filterwarnings("ignore", "the fusion .* cannot see the encoder")
        facts = {name: describe(variants[name]) for name in variants}
        messages.agree("config", workdir.flatten(config.to_dict()))
        with workdir.locked(directory):
            messages.by_first(workdir.compare, directory / "config.json", shared_config(config), "config")
            return _Comparison(variants, facts, shared_config(config), directory).run()


class _Comparison:
    """The variants of a comparison and what has become of them."""

    def __init__(self, variants: Mapping[str, Config], facts: Mapping, config: Mapping, directory: pathlib.Path):
        self.variants, self.facts, self.config, self.directory = variants, facts, config, directory
        self.results: dict[str, dict] = messages.by_first(self._finished)

    def run(self) -> dict:
        """Runs what is not done yet; returns the table."""
        if self.results:
            messages.say(f"Finished already: {', '.join(self.results)}.")
        remaining = [name for name in self.variants if name not in self.results]
        if remaining:
            self._run(remaining)
        return messages.by_first(self._write)

    def _run(self, remaining: Sequence[str]) -> None:
        begin = time.perf_counter()
        first = self.variants[remaining[0]]
        data = crossval.read_data(first)
        messages.agree("data set", data.fingerprint)
        messages.by_first(crossval.claim, self.directory, self.config, data.fingerprint)  # only now: it led to data
        inputs = systems.build(first).inputs(data.samples)  # the fusions all see the same
        for number, name in enumerate(remaining, 1):
            messages.say(f"[{number}/{len(remaining)}] {name}: {FUSIONS[name].summary}")
            results = crossval.cross_validate(self.variants[name], self.directory / name, data, inputs)
            if results is not None:  # it was not finished when this comparison began
                self.results[name] = results
            jax.clear_caches()  # what is compiled for one fusion serves no other
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
                f"{path} is damaged ({error}). Delete {path.parent}: this fusion is then run again."
            ) from error

    def _write(self) -> dict:
        results = {name: self.results[name] for name in self.variants if name in self.results}
        standings = comparison.compute_standings(results, self.facts)
        comparison.write(self.directory, standings)
        return standings


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
