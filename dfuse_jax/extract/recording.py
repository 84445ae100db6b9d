"""Recordings of any length and any number of people: landmarks that go to the disk while the video is read.

What `landmarks.extract` makes of a video of one smile is refused here for nothing: faces come, go and are several. A
recording is read in segments, so that memory does not grow with its length. It is kept in a folder:

    recording.npz    times, flags, and what was noticed; written last, so that a folder without it is unfinished
    person_1.f32     landmarks of the first person, [frames, 478, 3] float32, NaN where the face is not seen
"""

import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.extract import faces, flags, gaps, mesh
from dfuse_jax.extract.landmarks import NO_FACE, Find, OnFrame, SecondFaceError, check_rate, find_only_face, read_boxes
from dfuse_jax.extract.mesh import Networks
from dfuse_jax.extract.video import Video
from dfuse_jax.runtime.files import atomic, checksum

SEGMENT = 4096  # frames that are flagged together; from one to two of them are in memory
ROW = NUM_LANDMARKS * 3 * 4  # bytes of a frame's landmarks


class Recording(NamedTuple):
    """What a folder of a recording holds; T frames of the video are put on a grid of N even ones.

    Attributes:
        folder: where the landmarks are.
        name: of the video's file.
        checksum: of the video's file.
        image_size: (width, height) in pixels.
        fps: frames per second of the grid.
        positions: [T], where on the grid the frames are, see `gaps.Rhythm`.
        flags: of every person, [T] bits, see `flags`.
        notes: what a user should know, whole sentences.
    """

    folder: pathlib.Path
    name: str
    checksum: str
    image_size: tuple[int, int]
    fps: float
    positions: Float[np.ndarray, " frames"]
    flags: tuple[UInt16[np.ndarray, " frames"], ...]
    notes: tuple[str, ...]

    @property
    def aspect(self) -> float:
        """Image height / width."""
        width, height = self.image_size
        return height / width

    @property
    def frames(self) -> int:
        """The number of frames of the grid."""
        return int(np.floor(self.positions[-1] + gaps.END)) + 1

    @property
    def is_whole(self) -> bool:
        """Whether the landmarks are there; they may have been removed when all was made of them."""
        return all(_file(self.folder, person).exists() for person in range(len(self.flags)))

    def read(self, person: int, start: int, stop: int) -> Float[np.ndarray, "frames 478 3"]:
        """Returns the landmarks of a person, from 0, in frames of the video from `start` to before `stop`."""
        with _file(self.folder, person).open("rb") as file:
            file.seek(start * ROW)
            return np.fromfile(file, np.float32, (stop - start) * NUM_LANDMARKS * 3).reshape(-1, NUM_LANDMARKS, 3)

    def blocks(self, person: int) -> Iterator[Float[np.ndarray, "frames 478 3"]]:
        """Yields the landmarks of a person in blocks of SEGMENT frames."""
        for start in range(0, len(self.positions), SEGMENT):
            yield self.read(person, start, min(start + SEGMENT, len(self.positions)))


class _Track:
    """Landmarks and flags of one person, on their way to the disk."""

    def __init__(self, file: IO[bytes], image_size: tuple[int, int]):
        self.file, self.image_size = file, image_size
        self.rows: list[np.ndarray] = []
        self.looks: list[flags.Look] = []
        self.changes: list[float] = []
        self.bits: list[np.ndarray] = []
        self.seen = 0

    def add(self, landmarks: np.ndarray | None, image: np.ndarray, change: float) -> None:
        self.seen += landmarks is not None
        self.rows.append(NO_FACE if landmarks is None else landmarks)
        self.looks.append(flags.look(image, landmarks))
        self.changes.append(change)
        if len(self.rows) == 2 * SEGMENT:  # so that the last segment is no shorter than the others
            self.flush(SEGMENT)

    def flush(self, count: int) -> None:
        if not self.rows:
            return
        landmarks, changes = np.stack(self.rows[:count]), np.array(self.changes[:count])
        repeated = gaps.find_repeated(changes)
        self.bits.append(
            flags.find(landmarks, self.looks[:count], changes=changes, repeated=repeated, image_size=self.image_size)
        )
        self.file.write(landmarks.tobytes())
        del self.rows[:count], self.looks[:count], self.changes[:count]


class _Reading(NamedTuple):
    """What one passage through a video gave besides landmarks."""

    times: Float[np.ndarray, " frames"]
    rates: tuple[float, ...]
    image_size: tuple[int, int]
    flags: UInt16[np.ndarray, " frames"]
    seen: int
    damaged: int


def record(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    pixel_aspect: float | None = None,
    fps: float | None = None,
    on_frame: OnFrame | None = None,
) -> None:
    """Finds the landmarks of everybody in a video and writes them to a folder, which `load` reads.

    Several people are told apart by where they are from frame to frame, not by their looks: who leaves and comes back
    elsewhere is another person.

    Args:
        path: the video.
        folder: is made anew.
        pixel_aspect: width / height of a pixel as it is stored; None: what the file says, or 1.
        fps: frames per second; None: what the times of its frames say.
        on_frame: as for `extract_landmarks`.

    Raises:
        UserError: the video cannot be read.
    """
    path, folder = pathlib.Path(path), pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    report = on_frame or (lambda done, promised: None)
    networks = mesh.networks()
    notes = []
    try:
        networks.restart()
        try:
            readings = [_read(path, folder, 0, pixel_aspect, report, find_only_face(networks))]
        except SecondFaceError:
            boxes = read_boxes(path, pixel_aspect, report, networks)
            people = faces.people(boxes)
            readings = []
            for number, places in enumerate(people):
                networks.restart()
                find = _find_person(networks, places, boxes)
                readings.append(_read(path, folder, number, pixel_aspect, report, find))
            notes.append(f"{len(people)} people; they are told apart by where they are.")
    except RuntimeError:  # of a graph, which it leaves broken
        mesh.discard()
        raise
    first = readings[0]
    rhythm = gaps.find_rhythm(first.times, first.rates, fps=fps)
    check_rate(path, rhythm)
    if not rhythm.even:
        notes.append(f"its frames come at a varying rate; resampled to {rhythm.fps:.4g} a second.")
    if first.damaged:
        notes.append(f"it is damaged in {first.damaged} of its frames.")
    if not any(reading.seen for reading in readings):
        notes.append("no face is found in it.")
    with atomic(folder / "recording.npz", "wb") as file:
        np.savez_compressed(
            file,
            name=path.name,
            checksum=checksum(path),
            image_size=first.image_size,
            fps=rhythm.fps,
            positions=rhythm.positions,
            flags=np.stack([reading.flags for reading in readings]),
            notes=json.dumps(notes),
        )


def load(folder: str | os.PathLike) -> Recording | None:
    """Reads what `record` wrote; None where it is not finished."""
    folder = pathlib.Path(folder)
    try:
        with np.load(folder / "recording.npz", allow_pickle=False) as file:
            width, height = file["image_size"]
            return Recording(
                folder=folder,
                name=str(file["name"]),
                checksum=str(file["checksum"]),
                image_size=(int(width), int(height)),
                fps=float(file["fps"]),
                positions=file["positions"],
                flags=tuple(file["flags"]),
                notes=tuple(json.loads(str(file["notes"]))),
            )
    except (OSError, ValueError, KeyError):
        return None


def _file(folder: pathlib.Path, person: int) -> pathlib.Path:
    return folder / f"person_{person + 1}.f32"


def _read(
    path: pathlib.Path,
    folder: pathlib.Path,
    person: int,
    pixel_aspect: float | None,
    on_frame: OnFrame,
    find: Find,
) -> _Reading:
    """Goes through the video for one person, whose landmarks `find` returns of a frame's number and image."""
    times: list[float] = []
    with Video(path, pixel_aspect=pixel_aspect) as video, _file(folder, person).open("wb") as file:
        track = _Track(file, video.image_size)
        for index, frame in enumerate(video):
            track.add(find(index, frame.image), frame.image, frame.change)
            times.append(frame.time)
            on_frame(index + 1, video.frames)
        track.flush(2 * SEGMENT)
        return _Reading(
            times=np.array(times),
            rates=video.rates,
            image_size=video.image_size,
            flags=np.concatenate(track.bits),
            seen=track.seen,
            damaged=video.damaged,
        )


def _find_person(networks: Networks, places: faces.Places, boxes: Sequence[Float[np.ndarray, "faces 4"]]) -> Find:
    """Returns what finds the landmarks of somebody at these places; `boxes` are those of all faces in the frames."""

    def find(index: int, image: UInt8[np.ndarray, "height width 3"]) -> np.ndarray | None:
        if index not in places:
            return None
        return mesh.find_landmarks(networks, faces.isolate(image, places[index], boxes[index]))

    return find
