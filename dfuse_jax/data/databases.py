"""The four databases of smiles: what their files do not say, and what the names of their videos do."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from dfuse_jax.samples import Sample


class Database(NamedTuple):
    """A database of smiles.

    Attributes:
        title: as its owners call it.
        owner: who hands it out, under an agreement.
        folds: how many the published protocol has.
        image_size: (width, height) in pixels, by label.
        fps: frames per second, by label.
        name: pattern of a video's name: its group `spontaneous` is there for spontaneous smiles only, `subject` tells
            who smiles. None: the names tell neither.
    """

    title: str
    owner: str
    folds: int
    image_size: dict[int, tuple[int, int]]
    fps: dict[int, float]
    name: str | None


DATABASES = {
    "uva_nemo": Database(
        title="UvA-NEMO",
        owner="the UvA-NEMO team",
        folds=10,
        image_size={0: (1920, 1080), 1: (1920, 1080)},
        fps={0: 50, 1: 50},
        name=r"(?P<subject>\d+)_(deliberate|(?P<spontaneous>spontaneous))_smile_\d+",
    ),
    "mmi": Database(
        title="MMI",
        owner="the MMI Facial Expression Database",
        folds=9,
        image_size={0: (720, 576), 1: (640, 480)},
        fps={0: 25, 1: 29},
        name=None,
    ),
    "spos": Database(
        title="SPOS",
        owner="CMVS, University of Oulu",
        folds=7,
        image_size={0: (640, 480), 1: (640, 480)},
        fps={0: 25, 1: 25},
        name=r"(posed|(?P<spontaneous>spontaneous))_(?P<subject>[^-]+)-\d+",
    ),
    "bbc": Database(
        title="BBC",
        owner="the BBC (Spot The Fake Smile)",
        folds=10,
        image_size={0: (314, 286), 1: (314, 286)},
        fps={0: 25, 1: 25},
        name=r"(?P<subject>(posed|(?P<spontaneous>Genuine))_.+)",  # one video a subject
    ),
}


class Told(NamedTuple):
    """What a video's name tells: label (1 spontaneous, 0 posed) and subject, None where it does not."""

    label: int | None
    subject: str | None


def told(database: str, video: str) -> Told:
    """What the name of a database's video tells; nothing if it is not named as that database's videos are."""
    pattern = DATABASES[database].name
    match = re.fullmatch(pattern, video) if pattern else None
    return Told(int(match["spontaneous"] is not None), match["subject"]) if match else Told(None, None)


def odd(samples: Sequence[Sample], name: str) -> str | None:
    """Says so if videos have another frame rate or size than that database's; re-encoded ones do."""
    database = DATABASES[name]
    strange = [
        (sample, f"{sample.fps:g} fps, {sample.image_size}", f"{database.fps[sample.label]} fps, {size}")
        for sample in samples
        if tuple(sample.image_size) != (size := database.image_size[sample.label])
        or abs(sample.fps - database.fps[sample.label]) > 1  # 29.97 is called 29
    ]
    if not strange:
        return None
    sample, found, expected = strange[0]
    return f"{len(strange)} videos are not as their owners hand them out, first {sample.name}: {found}, not {expected}"
