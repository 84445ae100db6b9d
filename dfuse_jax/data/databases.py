"""The four databases of smiles: what their files do not say, and what the names of their videos say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from dfuse_jax.data.dataset import list_labels
from dfuse_jax.samples import Sample


class Database(NamedTuple):
    """A database of smiles.

    Attributes:
        title: its owners' name for it.
        owner: who hands it out, under an agreement.
        folds: the number of folds in the published protocol.
        image_size: (width, height) in pixels, by label.
        fps: frames per second, by label.
        name_pattern: a regular expression for the names of the videos. Its group `spontaneous` matches in the names of
            spontaneous smiles only, its group `subject` is the person. None: the names give neither.
        pixel_aspects: width / height of a pixel, by label, where it is not 1 and the files do not say so. None is
            known, but MMI's posed class may be PAL (16/15): a frame shows it, in which round things must be round.
    """

    title: str
    owner: str
    folds: int
    image_size: dict[int, tuple[int, int]]
    fps: dict[int, float]
    name_pattern: str | None
    pixel_aspects: Mapping[int, float] = MappingProxyType({})

    def shown_size(self, label: int) -> tuple[int, int]:
        """Returns (width, height) of the images of a class in square pixels."""
        width, height = self.image_size[label]
        return round(width * self.pixel_aspects.get(label, 1)), height


DATABASES = {
    "uva_nemo": Database(
        title="UvA-NEMO",
        owner="the UvA-NEMO team",
        folds=10,
        image_size={0: (1920, 1080), 1: (1920, 1080)},
        fps={0: 50, 1: 50},
        name_pattern=r"(?P<subject>\d+)_(deliberate|(?P<spontaneous>spontaneous))_smile_\d+",
    ),
    "mmi": Database(
        title="MMI",
        owner="the MMI Facial Expression Database",
        folds=9,
        image_size={0: (720, 576), 1: (640, 480)},
        fps={0: 25, 1: 29},
        name_pattern=None,
    ),
    "spos": Database(
        title="SPOS",
        owner="CMVS, University of Oulu",
        folds=7,
        image_size={0: (640, 480), 1: (640, 480)},
        fps={0: 25, 1: 25},
        name_pattern=r"(posed|(?P<spontaneous>spontaneous))_(?P<subject>[^-]+)-\d+",
    ),
    "bbc": Database(
        title="BBC",
        owner="the BBC (Spot The Fake Smile)",
        folds=10,
        image_size={0: (314, 286), 1: (314, 286)},
        fps={0: 25, 1: 25},
        name_pattern=r"(?P<subject>(posed|(?P<spontaneous>Genuine))_.+)",  # one video a subject
    ),
}


class VideoName(NamedTuple):
    """What the name of a video says.

    Attributes:
        label: 1 spontaneous, 0 posed; None: the name does not say.
        subject: the person; None: the name does not say.
    """

    label: int | None
    subject: str | None


def parse_name(database: str, video: str) -> VideoName:
    """Returns the label and the subject in a video's name, None for both if the database does not name videos so."""
    pattern = DATABASES[database].name_pattern
    match = re.fullmatch(pattern, video) if pattern else None
    if match is None:
        return VideoName(label=None, subject=None)
    return VideoName(label=int(match["spontaneous"] is not None), subject=match["subject"])


def labels_from_names(database: str, videos: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Returns {video: label} of the videos whose names give their labels, and the other names; both sorted."""
    labels, unnamed = {}, []
    for video in sorted(videos):
        label = parse_name(database, video).label
        if label is None:
            unnamed.append(video)
        else:
            labels[video] = label
    return labels, unnamed


def unusual_format(samples: Sequence[Sample], database: str) -> str | None:
    """Describes videos whose frame rate or size is not the database's, as after re-encoding; None if there are none."""
    fps = DATABASES[database].fps
    image_size = {label: DATABASES[database].shown_size(label) for label in fps}
    unusual = [
        (sample, label)
        for sample, label in zip(samples, list_labels(samples), strict=True)
        if tuple(sample.image_size) != image_size[label] or abs(sample.fps - fps[label]) > 1  # the owners call 29.97 29
    ]
    if not unusual:
        return None
    sample, label = unusual[0]
    return (
        f"{len(unusual)} videos are not as their owners hand them out, first {sample.name}: "
        f"{sample.fps:g} fps, {sample.image_size}, not {fps[label]} fps, {image_size[label]}"
    )
