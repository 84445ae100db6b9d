"""quality.csv and contact_sheet.png of a folder of landmarks: all its videos at a glance, no face to be recognised."""

import csv
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from dfuse_jax import samples
from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.extract import flags, manifest, quality
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, escaped
from dfuse_jax.samples import Sample

COLUMNS, ROWS = 4, 15  # tiles of a page
FACE, TEXT, GAP = 110, 60, 12  # pixels: a face is FACE wide and high, three lie side by side above the text
WIDTH, HEIGHT = 3 * FACE + GAP, FACE + TEXT + GAP
MOUTH, IRISES = (62, 308), slice(468, NUM_LANDMARKS)
PAPER, INK, BLUE, RED = (255, 255, 255), (40, 40, 40), (0, 114, 178), (200, 40, 0)
SUSPECT = 0.95  # a detection rate below it is shown in red


def report(out: str | os.PathLike) -> list[pathlib.Path]:
    """Writes quality.csv and the contact sheets of the videos in <out>/manifest.json; returns the files.

    Each tile shows the landmarks of the first frame, of the one with the widest mouth, and of the last one.

    Raises:
        UserError: they cannot be written.
    """
    out = pathlib.Path(out)
    entries = manifest.read(out)
    extracted = [name for name, entry in entries.items() if "error" not in entry]
    table = out / "quality.csv"
    tiles = COLUMNS * ROWS
    pages = [extracted[start : start + tiles] for start in range(0, len(extracted), tiles)]
    single = len(pages) < 2
    paths = [out / ("contact_sheet.png" if single else f"contact_sheet_{n + 1:03d}.png") for n in range(len(pages))]
    try:
        with atomic(table) as file:
            writer = csv.DictWriter(file, quality.COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(quality.row(name, entry) for name, entry in entries.items())
        for stale in set(out.glob("contact_sheet*.png")) - set(paths):
            stale.unlink()
        for path, names in zip(tqdm(paths, "contact sheets", leave=False, disable=None), pages, strict=True):
            with atomic(path, "wb") as file:
                draw(out, names, entries).save(file, format="png")
    except OSError as error:
        raise UserError(f"{out}: the report cannot be written ({error.strerror}). The landmarks are there.") from error
    return [table, *paths]


def draw(out: pathlib.Path, names: Sequence[str], entries: Mapping[str, Mapping]) -> Image.Image:
    """Draws a page of tiles, one a video."""
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // COLUMNS)
    image = Image.new("RGB", (GAP + columns * WIDTH, GAP + rows * HEIGHT), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for index, name in enumerate(names):
        row, column = divmod(index, COLUMNS)
        x, y = GAP + column * WIDTH, GAP + row * HEIGHT
        try:
            _draw_faces(pen, samples.load(out / f"{name}.npz"), x, y)
        except UserError:
            pen.text((x, y), "cannot be read", RED, font)
        for line, (text, colour) in enumerate(_lines(name, entries[name])):
            pen.text((x, y + FACE + 14 * line), text, colour, font)
    return image


def _draw_faces(pen: ImageDraw.ImageDraw, sample: Sample, x: float, y: float) -> None:
    scale = np.array([1, sample.aspect])
    corners = sample.landmarks[:, MOUTH, :2] * scale
    widest = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=-1).argmax()
    frames = [0, int(widest), len(sample.landmarks) - 1]
    faces = sample.landmarks[frames, :, :2] * scale
    zoom = (FACE - GAP) / np.ptp(faces, axis=1).max()
    for position, (frame, face) in enumerate(zip(frames, faces, strict=True)):
        centre = (face.min(axis=0) + face.max(axis=0)) / 2
        dots = (face - centre) * zoom + (x + (position + 0.5) * FACE, y + FACE / 2)
        colour = RED if frame in sample.interpolated else INK
        pen.point([tuple(dot) for dot in dots[: IRISES.start]], colour)
        pen.point([tuple(dot) for dot in dots[IRISES]], BLUE)


def _lines(name: str, entry: Mapping) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yields what is written under the faces, and its colour."""
    measured = entry["quality"]
    notes = [f"{measured['detection_rate']:.1%} found"]
    if entry["interpolated"]:
        notes.append(f"{len(entry['interpolated'])} interpolated")
    if entry["other_faces"]:
        notes.append(f"{entry['other_faces']} more faces")
    poor = measured["detection_rate"] < SUSPECT
    jitter = "-" if measured["jitter"] is None else f"{measured['jitter']:.2f}%"
    ranges = ((angle, *measured[angle]) for angle in ("yaw", "pitch", "roll"))
    angles = ", ".join(f"{angle} {least:.0f} to {greatest:.0f}" for angle, least, greatest in ranges)
    name = escaped(name)
    yield name if len(name) < 52 else f"{name[:25]}...{name[-23:]}", INK
    yield f"{entry['frames']} frames, {entry['fps']:.4g} fps, {', '.join(notes)}", RED if poor else INK
    yield f"jitter {jitter}; {angles} degrees", INK
    of_frames = measured.get("flags", {})
    seen = ", ".join(f"{share:.0%} {flag.replace('_', ' ')}" for flag, share in of_frames.items() if share)
    yield seen, RED if flags.notable(of_frames) else INK
