"""The settings that a sweep tries: its axes, and a grid or random draws of them.

An axis is written as "log(1e-4, 1e-2)" or "uniform(0, 0.5)", a range, with a number of points behind it for a grid; or
as "0.0, 0.1, 0.3", its values. An empty one is not swept.
"""

import ast
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dfuse_jax.runtime.errors import UserError

SEARCHES = ("grid", "random")
SCALES = ("log", "uniform")
DIGITS = 4  # significant ones of a value that is drawn

# Fields that are traced, so that settings which differ in them alone share a compiled program.
TRACED = {
    "learning_rate": "train.learning_rate",
    "last_epoch_factor": "train.last_epoch_factor",
    "weight_decay": "train.weight_decay",
    "dropout": "model.dropout",
    "seed": "seed",
}
COMPILED = {"clip_frames": "train.clip_frames", "batch_size": "train.batch_size"}  # with all other fields of `model`


class Axis(NamedTuple):
    """What a sweep tries of a field.

    Attributes:
        name: of the field.
        values: that are listed, or the points of a range; empty for a range without points.
        scale: of a range, one of SCALES; empty where values are listed.
        low: the smallest value of a range.
        high: its largest value.
    """

    name: str
    values: tuple[Any, ...]
    scale: str = ""
    low: float = math.nan
    high: float = math.nan


def fields(model: Mapping) -> dict[str, str]:
    """Returns {name: field of the config} of all that can be swept in a recipe with this section `model`."""
    compiled = {name: f"model.{name}" for name in sorted(model) if name != "dropout"}
    traced = {name: field for name, field in TRACED.items() if name != "dropout" or "dropout" in model}
    return {**traced, **COMPILED, **compiled}


def parse(axes: Mapping, known: Mapping[str, str]) -> list[Axis]:
    """Returns the axes of a sweep that are not empty.

    Args:
        axes: {name: text, or a tuple of values}.
        known: the fields that can be swept.

    Raises:
        UserError: one is unknown or cannot be read, or there are none.
    """
    for name in axes:
        if name not in known:
            raise UserError(f"config.sweep.axes: unknown field {name!r}; known: {', '.join(known)}.")
    parsed = [_parse(name, axes[name]) for name in known if name in axes and axes[name] not in ("", None, ())]
    if all(axis.name == "seed" for axis in parsed):
        raise UserError(f"config.sweep.axes: nothing is swept but seeds; known: {', '.join(known)}.")
    return parsed


def _parse(name: str, text: Any) -> Axis:
    if not isinstance(text, str):
        values = tuple(text) if isinstance(text, tuple | list) else (text,)
        return Axis(name, _distinct(name, values))
    match = re.fullmatch(r"\s*([a-z]+)\s*\((.*)\)\s*", text)
    if match:
        return _parse_range(name, text, scale=match[1], arguments=_literal(name, text, match[2]))
    return Axis(name, _distinct(name, _literal(name, text, text)))


def _literal(name: str, text: str, values: str) -> tuple[Any, ...]:
    try:
        return tuple(ast.literal_eval(f"[{values}]"))
    except (ValueError, SyntaxError) as error:
        raise UserError(
            f"config.sweep.axes.{name} is {text!r}; expected values such as '0.1, 0.2', or a range such as "
            "'log(1e-4, 1e-2)' or 'uniform(0, 0.5)'."
        ) from error


def _distinct(name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise UserError(f"config.sweep.axes.{name} names a value twice.")
    return values


def _parse_range(name: str, text: str, *, scale: str, arguments: tuple[Any, ...]) -> Axis:
    """Returns a range; with a third argument, of so many points.

    Raises:
        UserError: it is none, its bounds cannot be, or the field takes no ranges.
    """
    said = f"config.sweep.axes.{name} is {text!r}"
    if scale not in SCALES:
        raise UserError(f"{said}; a range is one of {', '.join(SCALES)}.")
    if name not in TRACED or name == "seed":
        raise UserError(f"{said}; {name} takes a list of values, such as '1, 2'.")
    if len(arguments) not in (2, 3) or not all(type(number) in (int, float) for number in arguments):
        raise UserError(f"{said}; expected two numbers, and for a grid the number of points.")
    low, high, *points = arguments
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UserError(f"{said}; the first number must be less than the second.")
    if scale == "log" and low <= 0:
        raise UserError(f"{said}; a logarithmic range begins above 0.")
    if points and (type(points[0]) is not int or points[0] < 2):
        raise UserError(f"{said}; the number of points must be 2 or more.")
    spaced = np.geomspace if scale == "log" else np.linspace
    values = tuple(_rounded(value) for value in spaced(low, high, points[0])) if points else ()
    return Axis(name, values, scale, float(low), float(high))


def settings(axes: Sequence[Axis], *, search: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Returns the settings {name: value} that a sweep tries; seeds are not among them, since all settings share these.

    Args:
        axes: of the sweep.
        search: "grid" for all combinations, or "random".
        count: how many a random search draws; fewer if there are no more.
        seed: of the draws.

    Raises:
        UserError: a grid has a range without points.
    """
    swept = [axis for axis in axes if axis.name != "seed"]
    endless = [axis for axis in swept if not axis.values]
    if search == "grid":
        if endless:
            axis = endless[0]
            raise UserError(
                f"config.sweep.axes.{axis.name}: a grid needs a number of points, such as "
                f"'{axis.scale}({axis.low:g}, {axis.high:g}, 4)'."
            )
        return _product(swept)
    if all(axis.values and not axis.scale for axis in swept) and math.prod(len(axis.values) for axis in swept) <= count:
        return _product(swept)
    rng = np.random.default_rng(seed)
    drawn: list[dict[str, Any]] = []
    while len(drawn) < count:
        setting = {axis.name: _draw(rng, axis) for axis in swept}
        if setting not in drawn:
            drawn.append(setting)
    return drawn


def seeds(axes: Sequence[Axis], default: int) -> list[int]:
    """Returns the seeds with which every setting is trained."""
    for axis in axes:
        if axis.name == "seed":
            return list(axis.values)
    return [default]


def _product(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(axis.values for axis in axes))]


def _draw(rng: np.random.Generator, axis: Axis) -> Any:
    if not axis.scale:
        return axis.values[int(rng.integers(len(axis.values)))]
    if axis.scale == "log":
        return _rounded(math.exp(rng.uniform(math.log(axis.low), math.log(axis.high))))
    return _rounded(rng.uniform(axis.low, axis.high))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
