"""Several faces in a video: the one that takes up most of it is followed, and the others are blackened."""

from collections.abc import Sequence

import numpy as np

OVERLAP = 0.3  # of intersection and union: the same face in the next frame
PATIENCE = 10  # frames for which a face may be hidden and still be the same
SURROUNDINGS = 2.0  # times the detector's box, which ends at brows and chin: what the mesh looks at


def follow(seen: Sequence[np.ndarray]) -> np.ndarray:
    """The face that takes up most of the video: the largest sum, over the frames, of the area of its box.

    Args:
        seen: T times [faces, 4] boxes: left, top, width, height.

    Returns:
        [T, 4], where that face is; in frames where it was not seen, between where it was before and after.
    """
    tracks: list[dict[int, np.ndarray]] = []
    for frame, boxes in enumerate(seen):
        recent = [track for track in tracks if frame - _last(track) <= PATIENCE]
        pairs = [
            (_overlap(track[_last(track)], box), t, b) for t, track in enumerate(recent) for b, box in enumerate(boxes)
        ]
        free_tracks, free_boxes = set(range(len(recent))), set(range(len(boxes)))
        for overlap, t, b in sorted(pairs, reverse=True):  # the best match first
            if overlap > OVERLAP and t in free_tracks and b in free_boxes:
                recent[t][frame] = boxes[b]
                free_tracks.remove(t)
                free_boxes.remove(b)
        tracks += [{frame: boxes[b]} for b in sorted(free_boxes)]
    largest = max(tracks, key=lambda track: sum(width * height for _, _, width, height in track.values()))
    frames, boxes = list(largest), np.array(list(largest.values()))
    return np.stack([np.interp(np.arange(len(seen)), frames, column) for column in boxes.T], axis=1)


def alone(image: np.ndarray, face: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The image [height, width, 3] with everything black but the surroundings of `face`, less the others' boxes.

    Args:
        image: [height, width, 3].
        face: [4], left, top, width, height as fractions of the image.
        seen: [faces, 4], all faces that the detector saw, `face` among them or not.
    """
    shown = np.zeros_like(image)
    around = _pixels(image, face, SURROUNDINGS)
    shown[around] = image[around]
    for other in seen:
        if _overlap(face, other) <= OVERLAP:
            shown[_pixels(image, other, 1)] = 0
    inside = _pixels(image, face, 1)
    shown[inside] = image[inside]
    return shown


def _last(track):
    return next(reversed(track))


def _overlap(a, b):
    width, height = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = max(width, 0) * max(height, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def _pixels(image, box, times):
    size = np.array([image.shape[1], image.shape[0]])
    centre, half = (box[:2] + box[2:] / 2) * size, box[2:] / 2 * size * times
    (left, top), (right, bottom) = (
        np.clip(edge.round().astype(int), 0, size) for edge in (centre - half, centre + half)
    )
    return slice(top, bottom), slice(left, right)
