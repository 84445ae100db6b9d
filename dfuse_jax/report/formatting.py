"""How numbers, tables and environments are written in every report."""

import re
from collections.abc import Mapping, Sequence

from dfuse_jax.evaluate.metrics import LEVEL

METRIC_NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
CONFIDENCE = f"{100 * LEVEL:.0f}%"


def format_number(value: float | None, form: str) -> str:
    """Formats a number; `-` stands for an undefined one."""
    return "-" if value is None else format(value, form)


def percent(value: float | None) -> str:
    """Formats a fraction in percent: `75.0`."""
    return format_number(None if value is None else 100 * value, ".1f")


def estimate(summary: Mapping) -> str:
    """Formats a mean and its interval in percent: `75.0 [60.1, 89.9]`."""
    bounds = "" if summary["low"] is None else f" [{percent(summary['low'])}, {percent(summary['high'])}]"
    return percent(summary["mean"]) + bounds


def interval(pooled: Mapping) -> str:
    """Formats a pooled score and its interval, likewise."""
    return estimate({"mean": pooled["value"], "low": pooled["low"], "high": pooled["high"]})


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """Formats a number of things: `1 run`, `2 runs`; `plural` is needed where it is not the noun with an s."""
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def value_range(values: Sequence[int]) -> str:
    """Formats `12`, or `12-40` where the values differ; `-` if there are none."""
    if not values:
        return "-"
    ends = sorted({min(values), max(values)})
    return "-".join(map(str, ends))


def escape(text: str) -> str:
    """Returns a text of the user's, such as a name, for Markdown: it stays in its line, and nothing in it is markup."""
    text = re.sub(r"[\\`*\[\]<>|&~]", r"\\\g<0>", " ".join(text.split()))
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", text)  # within a word it is no markup
    text = re.sub(r"^[#+=-]", r"\\\g<0>", text)  # these begin headings and lists
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", text)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def markdown_list(items: Sequence[str]) -> str:
    """Returns a list in Markdown, an item a line."""
    return "\n".join(f"* {item}" for item in items)


def hardware(environment: Mapping) -> str:
    """Describes the environment of a run: `2 devices (gpu: NVIDIA H100), 1 process, float32`."""
    platform, kind = environment["platform"], environment["device_kind"]
    device = platform if kind == platform else f"{platform}: {kind}"
    devices = count(environment["devices"], "device")
    processes = count(environment["processes"], "process", "processes")
    dtype = f", {environment['model_dtype']}" if environment["model_dtype"] else ""
    bits = ", 64-bit JAX" if environment["jax_enable_x64"] else ""
    return f"{devices} ({device}), {processes}{dtype}{bits}"
