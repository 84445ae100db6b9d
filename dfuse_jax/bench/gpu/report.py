"""What a recipe asks of a GPU, in words and numbers: whether it fits, what it moves, and the least time that takes."""

from collections.abc import Callable, Mapping, Sequence

from dfuse_jax import systems
from dfuse_jax.bench import floor
from dfuse_jax.bench.gpu import programs, targets
from dfuse_jax.bench.gpu.programs import KINDS, Compiled, Size
from dfuse_jax.bench.gpu.targets import Target
from dfuse_jax.bench.protocol import FRAMES, VIDEOS, Protocol
from dfuse_jax.models import sizes
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems.dfusesmilenet import Network
from dfuse_jax.systems.neural import Neural

LAUNCH_S = (2e-6, 4e-6)  # that a launch takes, about
TAKEN = 0.75  # of a card's memory, by JAX unless it is asked for more
PROJECTION = (
    "A projection from compiled programs: nothing was run on this GPU, and no time but the compiler's measured."
)
ITEMSIZES = {"float32": 4, "bfloat16": 2}

Say = Callable[[str], None]


def run(
    config: Mapping,
    target: str,
    *,
    folds: Sequence[int],
    dtypes: Sequence[str],
    devices: int = 1,
    say: Say = print,
) -> dict:
    """Compiles a recipe for a GPU, prints what it asks of it, program by program, and returns the numbers.

    Args:
        config: the recipe.
        target: a name of `targets.TARGETS`.
        folds: how many at once on each device; several programs.
        dtypes: precisions to compute in, of "float32" and "bfloat16"; those that the GPU does not have are left out.
        devices: of the machine.
        say: takes a line.

    Raises:
        UserError: the GPU has none of the precisions, the recipe is of another network, or JAX lacks its plugin.
    """
    gpu = targets.TARGETS[target]
    offered = [dtype for dtype in dtypes if dtype in gpu.operations]
    if not offered:
        raise UserError(f"{gpu.name} computes in {', '.join(gpu.operations)}, not in {', '.join(dtypes)}.")
    described = targets.devices(gpu, devices)
    source = config["data"]["source"]
    videos = VIDEOS.get(source) or config["data"].get("videos") or VIDEOS["uva_nemo"]
    size = Size(videos=videos, frames=videos * FRAMES)
    say(f"{config['name']} on {devices} x {gpu.name}, {gpu.memory / 1e9:.0f} GB at {gpu.bandwidth / 1e12:.2f} TB/s.")
    say(PROJECTION)
    say(f"On each device lie {size.videos:,} videos of about {FRAMES} frames.")
    kernels = config["model"].get("kernels")
    if kernels == "auto":  # which is faster no compiler knows; on a GPU the fused ones are meant to be
        kernels = "fused"
        config = {**config, "model": {**config["model"], "kernels": kernels}}
    if kernels:
        say(f"The network's kernels are {kernels}.")
    rows = []
    for dtype in offered:
        system = _system({**config, "model": {**config["model"], "dtype": dtype}})
        for kind in KINDS:
            for number in folds:
                compiled = programs.compile_(programs.program(system, kind, number, size, described))
                parts = least(system, kind, dtype, number)
                row = {"kind": kind, "dtype": dtype, "folds": number}
                row |= figures(compiled, gpu, number, parts, operations_per_s=gpu.operations[dtype])
                rows.append(row)
                say("\n" + describe(row, gpu))
    result = {"note": PROJECTION, "recipe": config["name"], "gpu": gpu.name, "devices": devices, "kernels": kernels}
    result |= size._asdict()
    result["rows"] = rows
    if source in VIDEOS:
        result["protocols"] = [protocol for dtype in offered if (protocol := _protocol(config, rows, dtype, devices))]
        for protocol in result["protocols"]:
            say("\n" + _describe_protocol(protocol))
    return result


def least(system: Neural, kind: str, dtype: str, folds: int) -> list[floor.Part]:
    """Returns the least that a program of so many folds must do, part by part, by hand count.

    Raises:
        UserError: there is no count for the system's network.
    """
    if not isinstance(system.network, Network):
        raise UserError(f"{system.name}: only what D-FuseSmileNet must do at least has been counted.")
    model = system.network.model
    options = {"clips": system.settings.batch_size, "frames": system.settings.clip_frames, "itemsize": ITEMSIZES[dtype]}
    if kind == "training":
        parts = floor.training(model, sizes.count_parameters(model), **options)
    else:
        parts = floor.forward(model, **options)
    return [floor.Part(part.name, folds * part.operations, folds * part.bytes) for part in parts]


def _system(config: Mapping) -> Neural:
    """Returns the system of a recipe, which must train a network."""
    system = systems.build(config)
    if not isinstance(system, Neural):
        raise UserError(f"{system.name} trains no network: there is nothing to compile.")
    return system


def figures(
    compiled: Compiled, gpu: Target, folds: int, parts: Sequence[floor.Part], *, operations_per_s: float
) -> dict:
    """Returns the numbers of a program of so many folds, those of its parts among them.

    Its floor is the longest of three: moving its bytes, launching its kernels, and the operations of the hand count.
    Its share is the time that the least possible would take, of this floor.
    """
    traffic = compiled.traffic
    memory_s = traffic.bytes / gpu.bandwidth
    launches_s = [traffic.launches * seconds for seconds in LAUNCH_S]
    arithmetic_s = sum(part.operations for part in parts) / operations_per_s
    floor_s = max(memory_s, launches_s[0], arithmetic_s)
    least_s = floor.floor(list(parts), operations_per_s, gpu.bandwidth)
    least_bytes = {part.name: part.bytes for part in parts}
    available = TAKEN * gpu.memory
    fold = (compiled.memory - compiled.shared) / folds
    return {
        "arguments_bytes": compiled.arguments,
        "results_bytes": compiled.results,
        "temporary_bytes": compiled.temporary,
        "fits": compiled.memory <= available,
        "folds_that_fit": max(0, int((available - compiled.shared) / fold)),
        "traffic_bytes": traffic.bytes,
        "launches": traffic.launches,
        "unknown_loops": traffic.unknown_loops,
        "memory_s": memory_s,
        "launches_s": launches_s,
        "arithmetic_s": arithmetic_s,
        "floor_s": floor_s,
        "least_s": least_s,
        "least_bytes": sum(least_bytes.values()),
        "share": least_s / floor_s,
        "collectives": traffic.collectives,
        "compile_s": compiled.seconds,
        "compile_cpu_s": compiled.cpu_seconds,
        "parts": [
            {"part": part, "traffic_bytes": moved, "launches": launches, "least_bytes": least_bytes.get(part)}
            for part, (moved, launches) in traffic.by_part().items()
        ],
    }


def describe(row: Mapping, gpu: Target) -> str:
    """Returns a program's numbers in words, a line each, and a table of its parts."""
    memory = [row[f"{kind}_bytes"] / 1e9 for kind in ("arguments", "results", "temporary")]
    fits = "fits into" if row["fits"] else "DOES NOT FIT into"
    shortest, longest = (1e3 * seconds for seconds in row["launches_s"])
    lines = [
        f"{row['kind']}, {row['folds']} fold{'s' * (row['folds'] > 1)} at once, {row['dtype']}",
        f"  memory       {memory[0]:.1f} GB of arguments, {memory[2]:.1f} temporary, {sum(memory):.1f} in all: "
        f"{fits} the {TAKEN * gpu.memory / 1e9:.0f} GB that JAX takes of this card"
        + (f", as would about {row['folds_that_fit']} folds" if row["kind"] == "training" else ""),
        f"  traffic      {row['traffic_bytes'] / 1e9:,.1f} GB, at least {1e3 * row['memory_s']:,.1f} ms",
        f"  launches     {row['launches']:,}, about {shortest:,.1f} to {longest:,.1f} ms",
        f"  arithmetic   at least {1e3 * row['arithmetic_s']:,.1f} ms",
        f"  floor        {1e3 * row['floor_s']:,.1f} ms; the least possible is {1e3 * row['least_s']:,.1f} ms with "
        f"{row['least_bytes'] / 1e9:,.1f} GB: {row['share']:.1%}",
        f"  collectives  {', '.join(row['collectives']) or 'none'}",
        f"  compiled in  {row['compile_s']:.0f} s, {row['compile_cpu_s']:.0f} s of all cores together",
        f"  {'part':<16}{'GB':>9}{'launches':>10}{'least GB':>10}{'share':>8}",
    ]
    if row["unknown_loops"]:
        lines.insert(1, f"  {row['unknown_loops']} loops have an unknown number of trips, counted once: too low")
    for part in row["parts"]:
        line = f"  {part['part']:<16}{part['traffic_bytes'] / 1e9:>9.2f}{part['launches']:>10,}"
        if part["least_bytes"]:
            share = part["least_bytes"] / part["traffic_bytes"]
            line += f"{part['least_bytes'] / 1e9:>10.2f}{share:>8.0%}"
        lines.append(line)
    return "\n".join(lines)


def _protocol(config: Mapping, rows: Sequence[Mapping], dtype: str, devices: int) -> dict | None:
    """Returns the hours of the recipe's whole protocol at the floors of its fastest programs; None if none fits."""
    step, batch = (
        min(
            (
                1e3 * row["floor_s"] / row["folds"] / devices
                for row in rows
                if row["fits"] and (row["kind"], row["dtype"]) == (kind, dtype)
            ),
            default=None,
        )
        for kind in KINDS
    )
    if step is None or batch is None:
        return None
    protocol = Protocol(
        videos=VIDEOS[config["data"]["source"]],
        folds=config["cv"]["folds"],
        runs=config["cv"]["runs"],
        epochs=config["train"]["epochs"],
        batch_size=config["train"]["batch_size"],
        eval_windows=config["train"]["eval_windows"],
        validation_share=config["cv"]["validation_share"],
    )
    return {
        "dtype": dtype,
        **protocol._asdict(),
        "fold_steps": protocol.fold_steps,
        "projected_hours_published": protocol.hours_published(step),
        "projected_hours_all": protocol.hours_all(step, batch),
    }


def _describe_protocol(protocol: Mapping) -> str:
    return (
        f"Projection, {protocol['dtype']}: the whole protocol ({protocol['runs']} runs of {protocol['folds']} folds, "
        f"{protocol['epochs']} epochs, {protocol['fold_steps']:,} fold-steps) takes at least "
        f"{protocol['projected_hours_published']:.1f} hours; with the models that choose their epoch, and every "
        f"evaluation, {protocol['projected_hours_all']:.1f}."
    )
