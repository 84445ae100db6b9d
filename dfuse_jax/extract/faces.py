"""Several faces in a video: one of them is followed, and the others are blackened."""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

OVERLAP = 0.3  # of intersection and union: the same face in the next frame
PATIENCE = 10  # frames for which a face may be hidden and still be the same
SURROUNDINGS = 2.0  # times the detector's box, which ends at brows and chin: what the mesh looks at

LEAST = 25  # frames in which a face is seen at least; what is seen in fewer is a false alarm, or somebody who passes by

Track = dict[int, np.ndarray]  # {frame: box} of one face, in the order of the frames
Places = dict[int, np.ndarray]  # the same, with the frames in which the face was hidden for a moment


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


def people(boxes: Sequence[Float[np.ndarray, "faces 4"]]) -> list[Places]:
    """Follows everybody in a video, who takes up most of it first.

    A face that appears where one was lost, however long ago, is taken for the same person.

    Args:
        boxes: of every frame, those of all its faces: left, top, width, height.

    Returns:
        Of every person the box in each frame; none in frames where the face was not seen for more than PATIENCE frames.
    """
    joined: list[Track] = []
    for track in _tracks(boxes):
        first = next(iter(track))
        ended = [other for other in joined if _last(other) < first]
        same = max(ended, key=lambda other: _overlap(other[_last(other)], track[first]), default=None)
        if same is not None and _overlap(same[_last(same)], track[first]) > OVERLAP:
            same.update(track)
        else:
            joined.append(dict(track))
    lasting = [track for track in joined if len(track) >= min(LEAST, len(boxes))]
    largest_first = sorted(lasting or joined, key=lambda track: -sum(w * h for _, _, w, h in track.values()))
    return [_bridge(track) for track in largest_first]


def same_or_largest(
    before: Float[np.ndarray, "4"] | None, boxes: Float[np.ndarray, "faces 4"]
) -> Float[np.ndarray, "4"]:
    """Returns the box of the face that was at `before`, or else that of the largest face.

    Args:
        before: its box in the picture before; None: nobody was followed.
        boxes: of all faces, one at least.
    """
    if before is not None:
        best = max(boxes, key=lambda box: _overlap(before, box))
        if _overlap(before, best) > OVERLAP:
            return best
    return max(boxes, key=lambda box: box[2] * box[3])


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


def _bridge(track: Track) -> Places:
    """Interpolates the boxes of moments in which the face was hidden."""
    places = dict(track)
    for before, after in itertools.pairwise(track):
        if 1 < after - before <= PATIENCE:
            for frame in range(before + 1, after):
                share = (frame - before) / (after - before)
                places[frame] = (1 - share) * track[before] + share * track[after]
    return places


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
