"""What a training step must do at least: operations and bytes, part by part, and the time that a machine needs for it.

Operations are two for every multiplication and addition of a linear map, one for every other step on an edge (a point
and one of its neighbours). Maps are counted where they cost least: positions before the gather, not after it. Bytes are
those of each part's input and output, written and read once, and of nothing between: edges, attention and hidden layers
stay in caches. A training step is the forward pass, twice its operations for the two gradients, and AdamW.
"""

from typing import NamedTuple

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models import DFuseSmileNet


class Part(NamedTuple):
    """A part of a step: operations and bytes."""

    name: str
    operations: float
    bytes: float


def _maps(rows: int, *widths: tuple[int, int]) -> float:
    return 2.0 * rows * sum(a * b for a, b in widths)


def forward(model: DFuseSmileNet, clips: int = 16, frames: int = 16, itemsize: int = 4) -> list[Part]:
    """Of one forward pass of `clips` clips; `itemsize` is that of activations."""
    m, n, k = clips * frames, model.points or NUM_LANDMARKS, model.neighbours
    points, edges, walked = m * n, m * n * k, m * model.curves * model.steps
    activation = lambda *widths: itemsize * points * float(sum(widths))  # noqa: E731
    index = 2.0 * points * (k + 1)  # 16 bits each
    parts = [
        Part("entry", _maps(points, (6, model.entry)) + 2 * edges * model.entry, activation(3, model.entry) + index)
    ]
    width = model.entry
    totals: dict[str, tuple[float, float]] = dict.fromkeys(
        ("maps of points", "walk", "aggregation", "LPFA"), (0.0, 0.0)
    )

    def add(name: str, operations: float, moved: float):
        totals[name] = (totals[name][0] + operations, totals[name][1] + moved)

    for features, bottleneck in model.blocks:
        c = width // bottleneck
        pointwise = [(width, c), (c, features)] + ([(width, features)] if width != features else [])
        add("maps of points", _maps(points, *pointwise), activation(width, c, c, features))
        # For every point of a curve: scores of k neighbours and the angle to them, 3 products of length c.
        add("walk", walked * k * 6.0 * c + _maps(walked, (2 * c, 3)), activation(c) + index)
        attention = 2.0 * points * (model.curves + model.steps) * c  # query . key and weight . value, c / 2 each
        add("aggregation", attention + _maps(points, (c, c // 2), (c, c)), activation(c, c))
        # On an edge: one sum, two LReLUs, the mean; the map itself.
        add("LPFA", _maps(edges, (c, c)) + 8.0 * edges * c + _maps(points, (6, c)), activation(3, c, c) + index)
        width = features
    parts += [Part(name, *total) for name, total in totals.items()]
    parts.append(Part("exit", _maps(points, (width, width)), activation(width, width)))
    tokens = m * model.tokens
    parts.append(Part("tokens", 2.0 * tokens * n * width, activation(width) + itemsize * tokens * width))
    return [*parts, _transformer(model, m, frames, width, itemsize)]


def _transformer(model: DFuseSmileNet, rows: int, clip: int, width: int, itemsize: int) -> Part:
    """Of so many frames, in clips of so many."""
    inner = model.heads * model.head_width
    maps = (width, 3 * inner), (inner, width), (width, model.mlp), (model.mlp, width)
    operations = moved = 0.0
    for number in range(model.depth + model.time_depth):
        each = rows * (model.tokens if number < model.depth else 1)
        length = model.tokens if number < model.depth and number % 2 else clip
        operations += _maps(each, *maps) + 4.0 * each * length * inner
        moved += itemsize * each * 2.0 * width
    return Part("transformer", operations, moved)


def training(model: DFuseSmileNet, parameters: int, clips: int = 16, frames: int = 16, itemsize: int = 4) -> list[Part]:
    """Of one training step of one replica.

    Backward, a part reads its input and its output's gradient and writes its input's: as much again, and a half.
    """
    steps = [Part(p.name, 3 * p.operations, 2.5 * p.bytes) for p in forward(model, clips, frames, itemsize)]
    # AdamW reads parameter, gradient and both moments and writes all but the gradient, 4 bytes each.
    return [*steps, Part("AdamW", 15.0 * parameters, 28.0 * parameters)]


def floor(parts: list[Part], operations_per_s: float, bytes_per_s: float) -> float:
    """Seconds that the parts take at least, one after another, each bound by arithmetic or by memory."""
    return sum(max(part.operations / operations_per_s, part.bytes / bytes_per_s) for part in parts)


def table(parts: list[Part], operations_per_s: float, bytes_per_s: float) -> str:
    """The parts, a line each, and their sum."""
    lines = [f"{'part':<16}{'GFLOP':>9}{'MB':>9}{'floor, ms':>11}"]
    for part in [*parts, Part("sum", sum(p.operations for p in parts), sum(p.bytes for p in parts))]:
        least = floor(parts if part.name == "sum" else [part], operations_per_s, bytes_per_s)
        lines.append(f"{part.name:<16}{part.operations / 1e9:>9.1f}{part.bytes / 1e6:>9.0f}{1e3 * least:>11.2f}")
    return "\n".join(lines)
