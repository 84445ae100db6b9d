"""Checks of a config's fields: one line that names the field and what it may be."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import dfuse_jax.dmarkers
from dfuse_jax.runtime.errors import UserError


def one_of(config: Mapping, field: str, known: Sequence) -> None:
    """Raises UserError unless the field, such as "data.source", has one of the known values."""
    value = _value(config, field)
    if value not in known:
        raise UserError(f"config.{field} is {value!r}; it must be one of {', '.join(map(str, known))}.")


def within(config: Mapping, section: str, names: Sequence[str], *, low: float, high: float = math.inf) -> None:
    """Raises UserError unless the fields of a section are finite numbers from `low` to `high`."""
    for name in names:
        value = _value(config, f"{section}.{name}")
        if not low <= value <= high or math.isinf(value):
            limits = f"at least {low}" if high == math.inf else f"from {low} to {high}"
            raise UserError(f"config.{section}.{name} is {value}; it must be {limits}.")


def dmarkers(config: Mapping) -> None:
    """Raises UserError for a field of the section `dmarkers` that cannot be."""
    one_of(config, "dmarkers.definition", dfuse_jax.dmarkers.DEFINITIONS)
    one_of(config, "dmarkers.smoothing", (None, "", "4253H"))
    if config["dmarkers"]["definition"] == "robust" and config["dmarkers"]["smoothing"]:
        raise UserError(
            f"config.dmarkers.smoothing is {config['dmarkers']['smoothing']!r}, but the definition 'robust' smooths "
            "the signals itself: leave it empty."
        )


def is_on(config: Mapping, option: str) -> bool:
    """Returns whether a config turns on one of the options of all systems, such as "class_weights"."""
    return bool(config.get("options", {}).get(option, False))


def _value(config: Mapping, field: str) -> Any:
    value: Any = config
    for name in field.split("."):
        value = value[name]
    return value
