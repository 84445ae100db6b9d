"""Several faces in a video: the one that takes up most of it is followed, and the others are blackened."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

OVERLAP = 0.3  # of intersection and union: the same face in the next frame
PATIENCE = 10  # frames for which a face may be hidden and still be the same
SURROUNDINGS = 2.0  # times the detector's box, which ends at brows and chin: what the mesh looks at

Track = dict[int, np.ndarray]  # {frame: box} of one face, in the order of the frames


def follow(boxes: Sequence[Float[np.ndarray, "faces 4"]]) -> Float[np.ndarray, "frames 4"]:
    """Follows the face that takes up most of the video: the largest sum, over the frames, of the area of its box.

    Args:
        boxes: of every frame, those of all its faces: left, top, width, height.

    Returns:
        [T, 4], the box of that face; in frames where it was not seen, between where it was before and after.
    """
    tracks = _tracks(boxes)
    largest = max(tracks, key=lambda track: sum(width * height for _, _, width, height in track.values()))
    frames = list(largest)
    return np.stack(
        [np.interp(np.arange(len(boxes)), frames, side) for side in np.array(list(largest.values())).T], axis=1
    )


def isolate(
    image: UInt8[np.ndarray, "height width 3"], face: Float[np.ndarray, "4"], boxes: Float[np.ndarray, "faces 4"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a copy of the image with everything black but the surroundings of a face, less the others' boxes.

    Args:
        image: [height, width, 3].
        face: [4], left, top, width, height as fractions of the image.
        boxes: [faces, 4], of all faces that the detector saw, `face` among them or not.
    """
    isolated = np.zeros_like(image)
    surroundings = _pixels(image, face, SURROUNDINGS)
    isolated[surroundings] = image[surroundings]
    for other in boxes:
        if _overlap(face, other) <= OVERLAP:
            isolated[_pixels(image, other, 1)] = 0
    inside = _pixels(image, face, 1)
    isolated[inside] = image[inside]
    return isolated


def _tracks(boxes: Sequence[np.ndarray]) -> list[Track]:
    """Links boxes that overlap from frame to frame, the best match first."""
    tracks: list[Track] = []
    for frame, in_frame in enumerate(boxes):
        recent = [track for track in tracks if frame - _last(track) <= PATIENCE]
        matches = [
            (_overlap(track[_last(track)], box), t, b)
            for t, track in enumerate(recent)
            for b, box in enumerate(in_frame)
        ]
        free_tracks = set(range(len(recent)))
        free_boxes = set(range(len(in_frame)))
        for overlap, t, b in sorted(matches, reverse=True):
            if overlap > OVERLAP and t in free_tracks and b in free_boxes:
                recent[t][frame] = in_frame[b]
                free_tracks.remove(t)
                free_boxes.remove(b)
        tracks += [{frame: in_frame[b]} for b in sorted(free_boxes)]
    return tracks


def _last(track: Track) -> int:
    return next(reversed(track))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _pixels(image: np.ndarray, box: np.ndarray, scale: float) -> tuple[slice, slice]:
    """Returns the rows and columns of a box that is grown about its centre."""
    size = np.array([image.shape[1], image.shape[0]])
    centre = (box[:2] + box[2:] / 2) * size
    half = box[2:] / 2 * size * scale
    left, top = np.clip((centre - half).round().astype(int), 0, size)
    right, bottom = np.clip((centre + half).round().astype(int), 0, size)
    return slice(top, bottom), slice(left, right)
