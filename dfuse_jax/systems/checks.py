"""Checks of a config's fields: one line that names the field and what it may be."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

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


def _value(config: Mapping, field: str) -> Any:
    value: Any = config
    for name in field.split("."):
        value = value[name]
    return value
