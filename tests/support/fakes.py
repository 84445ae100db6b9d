"""Fake databases: the real ones' names, sizes and frame rates (spec), smiles rendered from one photograph."""

import csv
import functools
import itertools

from faces import smiling, write_video

# database: {label: (names, file suffix, (width, height), frames per second)}
FAKES = {
    "uva_nemo": {
        0: ([f"{n:03d}_deliberate_smile_2" for n in (1, 2, 3)], ".mp4", (1920, 1080), 50),
        1: ([f"{n:03d}_spontaneous_smile_5" for n in (1, 2, 3)], ".mp4", (1920, 1080), 50),
    },
    "mmi": {
        0: (["108", "1763"], ".avi", (720, 576), 25),
        1: (["2005", "2152"], ".avi", (640, 480), 29),
    },
    "spos": {
        0: (["posed_nelly-1", "posed_riku-13"], ".avi", (640, 480), 25),
        1: (["spontaneous_nelly-1", "spontaneous_riku-16"], ".avi", (640, 480), 25),
    },
    "bbc": {
        0: (["posed_smilecontent q02", "posed_smilecontent q04"], ".mp4", (314, 286), 25),
        1: (["Genuine_smilecontent q01", "Genuine_smilecontent q05"], ".mp4", (314, 286), 25),
    },
}
FRAMES = 12  # of the longest video; each has another length


def write_database(name: str, root) -> dict[str, int]:
    """Writes the videos of a fake database into `root` and returns their lengths; MMI's labels into labels.csv."""
    root.mkdir(parents=True, exist_ok=True)
    lengths, lines = {}, []
    counter = itertools.count()
    for label, (names, suffix, size, fps) in FAKES[name].items():
        for video in names:
            lengths[video] = FRAMES - next(counter)
            write_video(root / f"{video}{suffix}", _images(size)[: lengths[video]], fps=fps)
            lines.append((f"{video}{suffix}", label, ""))
    if name == "mmi":
        write_table(root / "labels.csv", lines)
    return lengths


def write_table(path, lines, header=("path", "label", "subject")) -> None:
    """Writes a CSV table."""
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])


@functools.cache
def _images(size):
    return [image for image, _ in smiling(size, frames=FRAMES, start=2, onset=4, apex=2, offset=4)]
