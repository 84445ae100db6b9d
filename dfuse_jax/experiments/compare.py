"""The fusions compared: the same folds, seeds and data for all, a cross-validation each, one table."""

import json
import pathlib
import time
import warnings
from collections.abc import Callable, Mapping

import jax
from ml_collections import ConfigDict

from dfuse_jax.experiments import crossval, recipe, workdir
from dfuse_jax.models import sizes as registry
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.report.comparison import standings
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError


def chosen(config: ConfigDict) -> list[str]:
    """The names in `config.fusions`, each once; an entry may hold several with commas between.

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


def shared(config: ConfigDict) -> dict:
    """All of a benchmark's config but which fusions: what makes variants comparable."""
    return {key: value for key, value in config.to_dict().items() if key != "fusions"}


def variant(config: ConfigDict, fusion: str) -> ConfigDict:
    """The recipe of one fusion."""
    config = ConfigDict(shared(config))
    config.name = f"{config.name}-{fusion}"
    config.model.fusion = fusion
    return config


def describe(config: ConfigDict) -> dict:
    """What the table says of a variant before it has run: its equations, what it sees, what it learns.

    Raises:
        UserError: the model cannot have these sizes.
    """
    recipe.check(config)
    fusion = FUSIONS[config.model.fusion]
    model = crossval.build_model(config.model.to_dict())
    try:
        encoder = registry.encoder_shapes(model.clone(fusion="none"))  # of all variants: found once
        parameters = registry.learnt(encoder) + registry.learnt(registry.classifier_shapes(model))
    except ValueError as error:
        raise UserError(f"config.model: {config.model.fusion}: {error}") from error
    return {"equations": fusion.equations, "sees_encoder": fusion.sees_encoder, "parameters": parameters}


def run(config: ConfigDict, directory: pathlib.Path, say: Callable[[str], None] = print) -> dict:
    """Cross-validates every chosen fusion that is not done yet, and writes the table anew after each.

    Args:
        config: as `recipe.benchmark` gives it.
        directory: holds the table and a folder for each fusion; what lies there from an earlier call is not run again.
        say: takes a line for each fusion.

    Of several processes (see `distributed`) all train, and the first alone reads and writes `directory`.

    Returns:
        What benchmark.json holds: the chosen fusions, in their order.

    Raises:
        UserError: bad config, bad data, or a folder of another benchmark.
    """
    variants = {name: variant(config, name) for name in chosen(config)}
    with warnings.catch_warnings():  # the lines and the table say so of all fusions at once
        warnings.filterwarnings("ignore", "the fusion .* cannot see the encoder")
        facts = {name: describe(of_name) for name, of_name in variants.items()}
        messages.agree("config", workdir.flatten(config.to_dict()))
        with workdir.locked(directory):
            messages.by_first(workdir.compare, directory / "config.json", shared(config), "config")
            return _run(variants, facts, shared(config), directory, say)


def _run(variants: Mapping, facts: Mapping, base: Mapping, directory: pathlib.Path, say: Callable) -> dict:
    done = messages.by_first(_done, variants, directory)
    if done:
        say(f"Finished already: {', '.join(done)}.")
    left = [name for name in variants if name not in done]
    prepared, begin = None, time.perf_counter()
    for number, name in enumerate(left, 1):
        if prepared is None:
            prepared = crossval.prepare(variants[name])
            data = crossval.fingerprint(prepared.samples, prepared.folds)
            messages.agree("data set", data)
            messages.by_first(crossval.claim, directory, base, data)  # only now: the config led to data
        say(f"[{number}/{len(left)}] {name}: {FUSIONS[name].line}")
        done[name] = crossval.cross_validate(variants[name], directory / name, prepared)
        jax.clear_caches()  # what is compiled for one fusion serves no other
        _write(variants, facts, done, directory)
        if number < len(left):
            seconds = (time.perf_counter() - begin) / number * (len(left) - number)
            say(f"{name} is done; about {_span(seconds)} to go for the other {len(left) - number}.")
    return _write(variants, facts, done, directory)


def _done(variants: Mapping, directory: pathlib.Path) -> dict:
    return {name: found for name, of_name in variants.items() if (found := _finished(of_name, directory / name))}


def _finished(config: ConfigDict, directory: pathlib.Path) -> dict | None:
    """The results of a variant that is done."""
    path = directory / "results.json"
    if not path.exists():
        return None
    workdir.compare(directory / "config.json", config.to_dict(), "config")
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}). Delete {directory}: this fusion is then run again.") from error


def _write(variants: Mapping, facts: Mapping, done: Mapping, directory: pathlib.Path) -> dict:
    def write():
        found = standings.standings({name: done[name] for name in variants if name in done}, facts)
        standings.write(directory, found)
        return found

    return messages.by_first(write)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
