"""What the camera did not see: per frame, why the landmarks there may not be those of the face.

The mesh gives a whole face whatever is in front of it, so that the landmarks alone do not tell. The picture does: it is
read at the landmarks (`Look`), which smiles and turns move with the face, and compared with the person's own median.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt16

from dfuse_jax.samples import Sample

# The bits of `Sample.flags`, the first one 1; files hold them, so a new name goes to the end.
NAMES = ("covered", "dark", "turned", "small", "blurred", "repeated", "other_person")
MEANINGS = {
    "covered": "mouth or eyes covered",
    "dark": "the face is too dark",
    "turned": "the face is turned away",
    "small": "the face is small",
    "blurred": "the face is blurred",
    "repeated": "the picture repeats the one before, as after a conversion to more frames per second",
    "other_person": "another person, or the other side of a cut",
}
UNKNOWN = "no flags: nothing says in which frames the face was covered, dark, turned away or another person's"
# Shares of the frames from which on a user should know; they are red on the contact sheet.
NOTABLE = {
    "covered": 0.02,  # one of 50 frames: a hand that is gone in 0.1 s of a video of 5 s
    "dark": 0.05,
    "turned": 0.05,
    "small": 0.05,
    "blurred": 0.1,  # a fast movement blurs some frames of most videos
    "repeated": 0.05,
    "other_person": 0.0,  # whatever is compared across a cut is wrong
}

# Shares of the frames above which nobody should judge a smile: too much of what would be judged was not seen.
REFUSED = {
    "covered": 0.2,
    "dark": 0.5,
    "turned": 0.5,
    "blurred": 0.5,
    "other_person": 0.02,
}
MOST_INTERPOLATED = 0.2  # the same of frames without a face

SIDE = 64  # pixels to which a face is reduced before it is looked at: coarser than compression and most noise
FINEST = 96  # pixels of a face that are read for that; of larger ones every second or third
SURFACE = 468  # the first landmarks; the others are the irises, which move on the face
BLOCK = 1024  # frames at a time, so that those of a long video do not take gigabytes

# Correlation with the person's median over the landmarks around the mouth and around an eye. In two minutes of talk,
# smiles and blinks of a real face (2,880 frames) it was 0.70 at least for the mouth and 0.87 for the eyes; with a hand
# on a mouth it was 0.31 in the median. A laugh with a bent head falls below: 13 of that clip's 4,800 frames, wrongly.
MOUTH_ALIKE, EYE_ALIKE = 0.65, 0.64
LESS_ALIKE = 0.45  # so much less may be a face that is blurred or turned away, which changes the pattern too
MOUTH_RADIUS, EYE_RADIUS = 0.42, 0.33  # around their middles, in distances of the eyes' outer corners
DARK = 30  # grey levels of 255: nine tenths of the face are darker. A dark skin in dim light has brighter highlights.
TURNED = 30  # degrees of yaw or pitch, from where on the far half of the face is mostly guessed
SMALL = 64  # pixels, geometric mean of width and height: a third of the 192 that the mesh looks at
BLURRED = 0.06  # detail to contrast (`Look.sharpness`); sharp faces of compressed videos have 0.07 to 0.15
SOFTER = 0.5  # times the person's own median: blurred by movement
# Two frames in succession do not show one person in one take where the face jumps (in its own size), changes its size
# (times), or where the picture is cut and the face changes as well, if only by so much.
JUMP, GROWTH = 1.0, 1.4
CUT_JUMP, CUT_GROWTH, CUT_ALIKE = 0.1, 1.08, 0.9
CUT, CUT_LEVELS = 3.0, 12.0  # a cut changes the picture so many times as its neighbours do, and so many grey levels
NEIGHBOURS = 5  # frames to either side
# The face before a cut goes on after another one where it is as near, as large, and looks the same.
SAME_JUMP, SAME_GROWTH, SAME_ALIKE = 0.5, 1.15, 0.85

RIGHT_EYE, LEFT_EYE, LIP_CORNERS = (33, 133), (362, 263), (78, 308)
SIDES, ENDS, NOSE = (234, 454), (10, 152), 1  # temples, forehead and chin, tip of the nose


class Look(NamedTuple):
    """How a face looks in a picture.

    Attributes:
        levels: [468] grey levels of its landmarks, of a picture that is reduced to SIDE pixels.
        sharpness: mean absolute difference from the picture blurred by a pixel of those, to its standard deviation.
    """

    levels: UInt8[np.ndarray, "468"]
    sharpness: float


NO_LOOK = Look(np.zeros(SURFACE, np.uint8), 0.0)


def look(image: UInt8[np.ndarray, "height width 3"], landmarks: Float[np.ndarray, "478 3"] | None) -> Look:
    """Looks at a face; one that is not there, or out of the picture, has NO_LOOK."""
    if landmarks is None:
        return NO_LOOK
    import cv2  # which MediaPipe needs too; `require` for every frame would take a tenth of the time

    size = np.array(image.shape[1::-1])
    points = landmarks[:SURFACE, :2] * size
    start = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    stop = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, size)
    if (stop - start).min() < 2:
        return NO_LOOK
    step = max(1, int((stop - start).max() / FINEST))  # half of the time goes into reducing a large face
    face = image[start[1] : stop[1] : step, start[0] : stop[0] : step, 1]
    scale = SIDE / max(face.shape)
    width, height = (max(2, round(scale * side)) for side in face.shape[::-1])
    at = (points - start) / step * (width, height) / face.shape[::-1] - 0.5
    face = cv2.resize(np.ascontiguousarray(face), (width, height), interpolation=cv2.INTER_AREA)
    levels = cv2.remap(face, at[None].astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    grey = face.astype(np.float32)
    detail = cv2.norm(grey, cv2.GaussianBlur(grey, (0, 0), 1), cv2.NORM_L1) / grey.size
    _, contrast = cv2.meanStdDev(grey)
    return Look(levels, detail / (float(contrast[0, 0]) + 1))


def find(
    landmarks: Float[np.ndarray, "frames 478 3"],
    looks: Sequence[Look],
    *,
    changes: Float[np.ndarray, " frames"],
    repeated: Bool[np.ndarray, " frames"],
    image_size: tuple[int, int],
) -> UInt16[np.ndarray, " frames"]:
    """Flags the frames of a video; those without a face can only be repeated.

    Args:
        landmarks: [T, 478, 3], NaN in frames without a face.
        looks: T, of the faces.
        changes: [T] mean absolute differences of the pictures from the ones before, NaN for the first.
        repeated: [T], see `gaps.find_repeated`.
        image_size: (width, height) in pixels.

    Returns:
        [T], bit i set where NAMES[i] is so.
    """
    seen = np.flatnonzero(~np.isnan(landmarks[:, 0, 0]))
    columns = {name: np.zeros(len(landmarks), bool) for name in NAMES}
    columns["repeated"] = repeated
    if len(seen):
        shape = _measure(landmarks, seen, image_size)
        levels = np.stack([looks[frame].levels for frame in seen.tolist()])
        sharpness = np.array([looks[frame].sharpness for frame in seen.tolist()])
        dark = np.quantile(levels, 0.9, axis=1, method="nearest") < DARK
        columns["dark"][seen] = dark
        columns["turned"][seen] = shape.turn > TURNED
        columns["small"][seen] = shape.size < SMALL
        # The pattern of a dark face is noise, and that of a blurred one is lost: neither can be compared.
        usual = np.median(sharpness[~dark]) if not dark.all() else 0
        blurred = ~dark & (sharpness < max(BLURRED, SOFTER * usual))
        columns["blurred"][seen] = blurred
        other = _find_other_takes(shape, levels, _is_cut(changes), seen, comparable=~dark & ~blurred)
        columns["other_person"][seen] = other
        comparable = np.flatnonzero(~dark & ~other)
        if len(comparable):
            changed = (blurred | (shape.turn > TURNED))[comparable]
            covered = _find_covered(landmarks, seen[comparable], levels[comparable], image_size, changed=changed)
            columns["covered"][seen[comparable]] = covered
    return pack(columns)


def pack(columns: Mapping[str, Bool[np.ndarray, " frames"]]) -> UInt16[np.ndarray, " frames"]:
    """Returns the bits of {name: [T]}."""
    bits = [columns[name].astype(np.uint16) << np.uint16(bit) for bit, name in enumerate(NAMES) if name in columns]
    return np.bitwise_or.reduce(bits)


def unpack(bits: UInt16[np.ndarray, " frames"]) -> dict[str, Bool[np.ndarray, " frames"]]:
    """Returns {name: [T]}, whether each flag is set."""
    return {name: (bits >> bit & 1).astype(bool) for bit, name in enumerate(NAMES)}


def shares(bits: UInt16[np.ndarray, " frames"] | None) -> dict[str, float]:
    """Returns {name: share of the frames}; nothing where flags are not known, as of files of earlier versions."""
    return {} if bits is None else {name: round(float(flag.mean()), 4) for name, flag in unpack(bits).items()}


def notable(of_frames: Mapping[str, float]) -> dict[str, float]:
    """Returns those of the shares that a user should know."""
    return {name: share for name, share in of_frames.items() if share and share >= NOTABLE[name]}


def notes(bits: UInt16[np.ndarray, " frames"] | None) -> list[str]:
    """Returns what a user should know, a line each."""
    return [f"{share:.0%} of the frames: {MEANINGS[name]}." for name, share in notable(shares(bits)).items()]


def refusal(sample: Sample) -> str | None:
    """Returns why a smile should not be judged, in words that follow "not judged: "; None if it may be.

    Flags that are not known refuse nothing.
    """
    reasons = [
        f"{MEANINGS[name]} in {share:.0%} of the frames, up to {REFUSED[name]:.0%} are allowed"
        for name, share in shares(sample.flags).items()
        if share > REFUSED.get(name, 1)
    ]
    interpolated = len(sample.interpolated) / len(sample.landmarks)
    if interpolated > MOST_INTERPOLATED:
        reasons.append(f"no face in {interpolated:.0%} of the frames, up to {MOST_INTERPOLATED:.0%} are allowed")
    return "; ".join(reasons) or None


def is_flagged(bits: UInt16[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    """Tells in which frames something is flagged for which a smile may be refused."""
    columns = unpack(bits)
    return np.any([columns[name] for name in REFUSED], axis=0)


def follow(
    bits: UInt16[np.ndarray, " frames"], positions: Float[np.ndarray, " frames"], grid: int
) -> UInt16[np.ndarray, " grid"]:
    """Returns the flags of the frames of a grid, each that of the nearest frame of the video.

    Args:
        bits: [T], of the video's frames.
        positions: [T], rising, where on the grid they are.
        grid: how many frames it has.
    """
    at = np.arange(grid)
    right = np.clip(np.searchsorted(positions, at), 1, max(1, len(positions) - 1))
    right = np.minimum(right, len(positions) - 1)
    left = np.maximum(right - 1, 0)
    return bits[np.where(at - positions[left] <= positions[right] - at, left, right)]


class _Shape(NamedTuple):
    """Of N faces: where the nose is [N, 2] and how large the face [N], in pixels; how far it is turned [N], degrees."""

    nose: Float[np.ndarray, "faces 2"]
    size: Float[np.ndarray, " faces"]
    turn: Float[np.ndarray, " faces"]


def _measure(landmarks: np.ndarray, seen: np.ndarray, image_size: tuple[int, int]) -> _Shape:
    width, height = image_size
    points = landmarks[seen[:, None], np.array([*SIDES, *ENDS, NOSE])] * np.array([width, height, width], float)
    across, down = points[:, 1] - points[:, 0], points[:, 3] - points[:, 2]
    normal = np.cross(across, down)  # away from the camera, of a face that looks into it
    yaw = np.arctan2(normal[:, 0], normal[:, 2])
    pitch = np.arctan2(normal[:, 1], np.hypot(normal[:, 0], normal[:, 2]))
    return _Shape(
        nose=points[:, 4, :2],
        size=np.sqrt(np.linalg.norm(across, axis=1) * np.linalg.norm(down, axis=1)),
        turn=np.degrees(np.maximum(np.abs(yaw), np.abs(pitch))),
    )


def _find_covered(
    landmarks: np.ndarray,
    seen: np.ndarray,
    levels: np.ndarray,
    image_size: tuple[int, int],
    *,
    changed: Bool[np.ndarray, " faces"],
) -> Bool[np.ndarray, " faces"]:
    """Tells where the mouth, the right or the left eye does not look as it mostly does; less so, if it is `changed`."""
    covered = np.zeros(len(levels), bool)
    some = seen[:: max(1, len(seen) // BLOCK)]
    for region, alike in _regions(landmarks[some], image_size):
        usual = np.median(levels[:, region], axis=0)
        covered |= _correlation(levels[:, region], usual) < alike - LESS_ALIKE * changed
    return covered


def _regions(landmarks: np.ndarray, image_size: tuple[int, int]) -> list[tuple[Int[np.ndarray, " landmarks"], float]]:
    """Returns the landmarks around the mouth and each eye of the median face, and how alike they have to be."""
    points = landmarks[:, :SURFACE, :2] * np.array(image_size, float)
    right, left = points[:, RIGHT_EYE[0]], points[:, LEFT_EYE[1]]
    eyes = left - right
    unit = (eyes / np.square(eyes).sum(axis=1, keepdims=True))[:, None]
    points = points - right[:, None]
    along = (points * unit).sum(axis=-1)
    upright = np.stack([along, points[..., 1] * unit[..., 0] - points[..., 0] * unit[..., 1]], axis=-1)
    face = np.median(upright, axis=0)
    parts = (
        (LIP_CORNERS, MOUTH_RADIUS, MOUTH_ALIKE),
        (RIGHT_EYE, EYE_RADIUS, EYE_ALIKE),
        (LEFT_EYE, EYE_RADIUS, EYE_ALIKE),
    )
    return [
        (np.flatnonzero(np.linalg.norm(face - face[list(corners)].mean(axis=0), axis=1) < radius), alike)
        for corners, radius, alike in parts
    ]


def _correlation(levels: np.ndarray, usual: np.ndarray) -> Float[np.ndarray, " faces"]:
    """Returns that of levels [N, M] with others [M] or [N, M] over M, 0 where one of them is uniform.

    Neither light nor exposure matters, only the pattern.
    """
    result = np.empty(len(levels))
    for start in range(0, len(levels), BLOCK):
        block = slice(start, start + BLOCK)
        a = levels[block].astype(np.float32)
        b = (usual if usual.ndim == 1 else usual[block]).astype(np.float32)
        a = a - a.mean(axis=-1, keepdims=True)
        b = b - b.mean(axis=-1, keepdims=True)
        norm = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
        result[block] = (a * b).sum(axis=-1) / np.maximum(norm, 1)
    return result


def _is_cut(changes: Float[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    """Tells where a picture differs far more from the one before than pictures around it do."""
    cut = np.zeros(len(changes), bool)
    for frame in np.flatnonzero(changes > CUT_LEVELS):
        around = np.delete(changes[max(1, frame - NEIGHBOURS) : frame + NEIGHBOURS + 1], min(frame - 1, NEIGHBOURS))
        cut[frame] = len(around) == 0 or changes[frame] > CUT * np.median(around)
    return cut


def _find_other_takes(
    shape: _Shape, levels: np.ndarray, cut: np.ndarray, seen: np.ndarray, *, comparable: np.ndarray
) -> Bool[np.ndarray, " faces"]:
    """Tells which faces belong to another person or take than most do.

    Args:
        shape: of the N faces.
        levels: [N, 468], of their looks.
        cut: [T], of the frames.
        seen: [N], the faces' frames.
        comparable: [N], whether their looks mean anything.
    """
    jump = np.linalg.norm(np.diff(shape.nose, axis=0), axis=1) / np.maximum(shape.size[1:], shape.size[:-1])
    growth = np.exp(np.abs(np.diff(np.log(shape.size))))
    alike = np.where(comparable[1:] & comparable[:-1], _correlation(levels[1:], levels[:-1]), 1)
    cut_between = np.array([cut[a + 1 : b + 1].any() for a, b in itertools.pairwise(seen)], bool)
    changed = (jump > CUT_JUMP) | (growth > CUT_GROWTH) | (alike < CUT_ALIKE)
    breaks = np.flatnonzero((jump > JUMP) | (growth > GROWTH) | (cut_between & changed)) + 1
    starts = [0, *breaks.tolist()]
    take = np.zeros(len(seen), int)
    last: list[int] = []  # the last face of each take so far
    for start, stop in itertools.pairwise([*starts, len(seen)]):
        continued = [number for number, face in enumerate(last) if _goes_on(shape, levels, comparable, face, start)]
        number = continued[-1] if continued else len(last)
        take[start:stop] = number
        last[number : number + 1] = [stop - 1]
    return take != np.bincount(take).argmax()


def _goes_on(shape: _Shape, levels: np.ndarray, comparable: np.ndarray, before: int, after: int) -> bool:
    """Tells whether a face after a break may be one from before it: where it was, as large, and alike."""
    smaller, larger = sorted((shape.size[before], shape.size[after]))
    near = np.linalg.norm(shape.nose[after] - shape.nose[before]) < SAME_JUMP * larger
    alike = not (comparable[before] and comparable[after])
    alike = alike or _correlation(levels[after][None], levels[before])[0] > SAME_ALIKE
    return bool(near and larger < SAME_GROWTH * smaller and alike)
