"""The options of all systems in words."""

from collections.abc import Mapping

LINES = {
    "class_weights": "Both classes count alike in training: each video weighs the inverse of its class's share.",
    "threshold": "`validated` takes the threshold at which its validation videos have the best balanced accuracy, and "
    "its probabilities are shifted so that this lies at 0.5. The other protocols keep 0.5.",
    "mirrored": "Each training video trains mirrored as well, with D-Markers of its own; no mirrored video tests.",
}


def describe(options: Mapping[str, bool]) -> list[str]:
    """Returns a line for each option that is on, of `options` of a config."""
    return [line for option, line in LINES.items() if options.get(option)]
