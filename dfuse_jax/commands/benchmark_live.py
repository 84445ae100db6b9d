"""Measures the live page: a headless Chromium with a clip of a real face as its camera, and the server, side by side.

dfuse-benchmark-live [--checkpoint RUN] [--clip VIDEO] [--seconds=60] [--minutes=30] [--out FILE.json]

It reports answered pictures a second, the time from a picture to its drawn answer (also while a verdict is computed),
how long after a smile's end its verdict is seen, and the memory of server and trackers over time. Without --checkpoint
a full-size model with random weights judges; without --clip the smile of a clip is taken that a package ships.
Needs Chromium and Playwright: pip install playwright imageio-ffmpeg.
"""

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_string("checkpoint", None, "Folder of a finished dfuse-cv run, or an exported model.")
    clip = flags.DEFINE_string("clip", None, "Video that the camera shows, in a loop.")
    seconds = flags.DEFINE_float("seconds", 60, "How long one viewer watches.", lower_bound=10)
    minutes = flags.DEFINE_float("minutes", 0, "How long memory is watched; 0: not at all.", lower_bound=0)
    viewers = flags.DEFINE_integer("viewers", 8, "How many watch at once, to see whether they are served alike.")
    out = flags.DEFINE_string("out", None, "File for the numbers, JSON.")
    cli.run(
        lambda argv: measure(
            argv[1:],
            checkpoint=checkpoint.value,
            clip=clip.value,
            seconds=seconds.value,
            minutes=minutes.value,
            viewers=viewers.value,
            out=out.value,
        )
    )


def measure(
    arguments: list[str],
    *,
    checkpoint: str | None,
    clip: str | None,
    seconds: float,
    minutes: float,
    viewers: int,
    out: str | None,
) -> None:
    """Measures and prints."""
    if arguments:
        raise UserError(f"dfuse-benchmark-live takes no argument {arguments[0]!r}. Usage: dfuse-benchmark-live")

    import json
    import pathlib

    from dfuse_jax.bench import live

    report = live.measure(
        checkpoint,
        pathlib.Path(clip) if clip else None,
        seconds=seconds,
        minutes=minutes,
        viewers=viewers,
        say=lambda line: print(line, flush=True),
    )
    print("\n".join(live.describe(report)))
    if out:
        pathlib.Path(out).write_text(json.dumps(report, indent=1) + "\n")
