"""Smiles and their phases as annotations of a video: for ELAN (.eaf) and for players (WebVTT)."""

import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dfuse_jax.extract.native import require
from dfuse_jax.runtime.files import atomic

PHASES = (("onset", "apex"), ("apex", "offset"), ("offset", "end"))  # each lasts from one moment to the next

Row = Mapping[str, Any]  # of the table of smiles, see `experiments.analyse`


class Span(NamedTuple):
    """An annotation: the tier that it is on, begin and end in milliseconds, and its text."""

    tier: str
    begin: int
    end: int
    text: str


def spans(rows: Sequence[Row]) -> Iterator[Span]:
    """Yields the annotations of a video's smiles: a tier of smiles and one of phases for everybody."""
    for row in rows:
        person = int(row["person"])
        begin, end = (round(1000 * float(row[f"{moment}_s"])) for moment in ("start", "end"))
        yield Span(f"smiles {person}", begin, max(end, begin + 1), describe(row))
        for phase, following in PHASES:
            first, last = (float(row[f"{moment}_s"]) for moment in (phase, following))
            if np.isfinite(first) and np.isfinite(last) and round(1000 * first) < round(1000 * last):
                yield Span(f"phases {person}", max(0, round(1000 * first)), round(1000 * last), phase)


def describe(row: Row) -> str:
    """Returns a smile in a few words: its number, and what the models say of it."""
    text = f"smile {int(row['smile'])}"
    if row["reason"]:
        return f"{text}, not judged: {row['reason']}"
    if np.isfinite(row["probability"]):
        return f"{text}, spontaneous {row['probability']:.0%}"
    return text


def write_eaf(path: str | os.PathLike, video: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Writes an ELAN file that is linked to the video, whole or not at all.

    Raises:
        UserError: pympi-ling is not installed.
    """
    pympi = require("pympi", "analyse")
    path, video = pathlib.Path(path), pathlib.Path(video)
    document = pympi.Elan.Eaf(author="dfuse_jax")
    document.remove_tier("default")
    mime = "video/mp4" if video.suffix.lower() == ".mp4" else "video/*"
    document.add_linked_file(video.resolve().as_uri(), relpath=os.path.relpath(video, path.parent), mimetype=mime)
    for span in spans(rows):
        if span.tier not in document.get_tier_names():
            document.add_tier(span.tier)
        document.add_annotation(span.tier, span.begin, span.end, span.text)
    with tempfile.TemporaryDirectory() as folder:
        written = pathlib.Path(folder, "smiles.eaf")
        document.to_file(written)
        with atomic(path, "wb") as file:
            file.write(written.read_bytes())


def write_webvtt(path: str | os.PathLike, rows: Sequence[Row]) -> None:
    """Writes the smiles as WebVTT captions, whole or not at all."""
    cues = sorted(
        (span.begin, span.end, span.tier, span.text) for span in spans(rows) if span.tier.startswith("smiles")
    )
    with atomic(path) as file:
        file.write("WEBVTT\n")
        for begin, end, tier, text in cues:
            person = tier.partition(" ")[2]
            escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            file.write(f"\n{_clock(begin)} --> {_clock(end)}\n<v person {person}>{escaped}\n")


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
