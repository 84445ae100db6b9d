"""quality.csv and contact_sheet.png of a folder of landmarks: all its videos at a glance, no face to be recognised."""

import csv
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from dfuse_jax import samples
from dfuse_jax.extract import manifest, quality
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

COLUMNS, ROWS = 4, 15  # tiles of a page
FACE, TEXT, GAP = 110, 46, 12  # pixels: a face is FACE wide and high, three lie side by side above the text
WIDTH, HEIGHT = 3 * FACE + GAP, FACE + TEXT + GAP
MOUTH, IRISES = (62, 308), slice(468, 478)
PAPER, INK, BLUE, RED = (255, 255, 255), (40, 40, 40), (0, 114, 178), (200, 40, 0)
SUSPECT = 0.95  # a detection rate below it is shown in red


def report(out: pathlib.Path) -> list[pathlib.Path]:
    """Writes quality.csv and the contact sheets of the videos in <out>/manifest.json; returns the files.

    Each tile shows the landmarks of the first frame, of the one with the widest mouth, and of the last one.

    Raises:
        UserError: they cannot be written.
    """
    entries = manifest.read(out)
    extracted = [name for name, entry in entries.items() if "error" not in entry]
    table = out / "quality.csv"
    page = COLUMNS * ROWS
    pages = [extracted[start : start + page] for start in range(0, len(extracted), page)]
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
    """A page of tiles, one a video."""
    columns = min(COLUMNS, len(names))
    image = Image.new("RGB", (GAP + columns * WIDTH, GAP + -(-len(names) // COLUMNS) * HEIGHT), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    for index, name in enumerate(names):
        row, column = divmod(index, COLUMNS)
        x, y = GAP + column * WIDTH, GAP + row * HEIGHT
        try:
            _faces(pen, samples.load(out / f"{name}.npz"), x, y)
        except UserError:
            pen.text((x, y), "cannot be read", RED, font)
        for line, (text, colour) in enumerate(_lines(name, entries[name])):
            pen.text((x, y + FACE + 14 * line), text, colour, font)
    return image


def _faces(pen, sample, x, y):
    points = sample.landmarks[..., :2] * (1, sample.aspect)
    mouth = np.linalg.norm(points[:, MOUTH[1]] - points[:, MOUTH[0]], axis=-1)
    frames = (0, int(mouth.argmax()), len(points) - 1)
    sizes = np.ptp(points[list(frames)], axis=1)
    scale = (FACE - GAP) / sizes.max()
    for place, frame in enumerate(frames):
        face = points[frame]
        middle = (face.min(axis=0) + face.max(axis=0)) / 2
        dots = (face - middle) * scale + (x + (place + 0.5) * FACE, y + FACE / 2)
        colour = RED if frame in sample.interpolated else INK
        pen.point([tuple(dot) for dot in dots[: IRISES.start]], colour)
        pen.point([tuple(dot) for dot in dots[IRISES]], BLUE)


def _lines(name, entry):
    found = entry["quality"]
    notes = [f"{found['detection_rate']:.1%} found"]
    notes += [f"{len(entry['interpolated'])} interpolated"] * bool(entry["interpolated"])
    notes += [f"{entry['other_faces']} more faces"] * bool(entry["other_faces"])
    poor = found["detection_rate"] < SUSPECT
    angles = ", ".join(f"{angle} {found[angle][0]:.0f} to {found[angle][1]:.0f}" for angle in ("yaw", "pitch", "roll"))
    jitter = "-" if found["jitter"] is None else f"{found['jitter']:.2f}%"
    return [
        (name if len(name) < 52 else f"{name[:25]}...{name[-23:]}", INK),
        (f"{entry['frames']} frames, {entry['fps']:.4g} fps, {', '.join(notes)}", RED if poor else INK),
        (f"jitter {jitter}; {angles} degrees", INK),
    ]
