"""How often smiles are refused, or judged, wrongly when the face is hidden: `python -m dfuse_jax.bench.occlusions`.

Synthetic people are drawn as pictures while they converse and smile. In a known share of a smile's frames something
hides the face: a hand, a card or a printed cloth over mouth, eyes or half of the face, darkness, blur, or a turn of
the head. Attention Mesh reads the pictures, and `extract.flags` judges the smile by itself, as of a video that is cut
to it, and as a part of its recording. The truth is the share of the frames that were changed.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from dfuse_jax.data.synthetic import camera, converse, render
from dfuse_jax.extract import flags, gaps, mesh
from dfuse_jax.extract.landmarks import NO_FACE
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import Sample

PEOPLE = 8
FPS, SECONDS = 15.0, 24.0  # of a conversation
LENGTHS = (1.5, 3.5)  # seconds of the smiles
MARGIN = 1.0  # seconds of a smile's sample before and after it, as in `experiments.analyse`
HEIGHTS = (240, 300, 360)  # of the pictures in pixels, of people in turn
# Shares of the frames that are hidden: of smiles that may be judged, and of those that may not.
FEW, MANY = (0.05, 0.1, 0.15), (0.25, 0.3, 0.4, 0.5, 0.6, 0.8)
SOME, MOST = (0.2, 0.4), (0.6, 0.8)  # of darkness, blur and turns, half of the frames are allowed
LIGHTS = {"dim": (0.5, 0.5, 0.5), "bright": (1.4, 1.4, 1.4), "warm": (1.0, 0.85, 0.6)}  # times red, green, blue
ENTERS = 0.2  # seconds in which a thing comes before the face, and goes
TURN = 45  # degrees of yaw
SIZE = 0.045  # of the blur, in the face's width

# Landmarks around which each part of the face lies, its half width and height in distances of the eyes' outer corners.
PARTS = {
    "mouth": ((78, 308), (0.5, 0.38)),
    "one eye": ((33, 133), (0.33, 0.26)),
    "both eyes": ((33, 133, 362, 263), (0.75, 0.28)),
    "lower half": ((1, 152), (0.9, 0.62)),
    "right half": ((33, 50, 61), (0.55, 1.3)),
    "left half": ((263, 280, 291), (0.55, 1.3)),
}
THINGS = ("hand", "card", "cloth")
EYES = (33, 263)
CHEEK = 205

Image = UInt8[np.ndarray, "height width 3"]


class Case(NamedTuple):
    """What happens in a smile.

    Attributes:
        group: the row of the table that it counts in.
        share: of its frames that are hidden.
        refuse: whether it should be refused.
        frames: [T], the pictures.
    """

    group: str
    share: float
    refuse: bool
    frames: list[Image]


class Track(NamedTuple):
    """What is read of some frames: landmarks [T, 478, 3], NaN without a face, their looks, the pictures' changes."""

    landmarks: Float[np.ndarray, "frames 478 3"]
    looks: list[flags.Look]
    changes: Float[np.ndarray, " frames"]


class Outcome(NamedTuple):
    """Whether a case should be refused, and whether it was: by itself, and as a part of its recording."""

    group: str
    share: float
    refuse: bool
    alone: str
    recorded: str


def read(images: Sequence[Image]) -> Track:
    """Reads pictures as `extract` and `recording` do."""
    networks = mesh.networks()
    networks.restart()
    landmarks, looks, changes = [], [], []
    before = None
    for image in images:
        face = mesh.find_landmarks(networks, image)
        landmarks.append(NO_FACE if face is None else face)
        looks.append(flags.look(image, face))
        now = image[::2, ::2, 1].astype(np.int16)
        changes.append(np.nan if before is None else float(np.abs(now - before).mean()))
        before = now
    return Track(np.stack(landmarks), looks, np.array(changes))


def judge(smile: Track, before: Track | None, after: Track | None, size: tuple[int, int]) -> str:
    """Returns why a smile should not be judged, empty if it may be; its recording shows what is before and after."""
    tracks = [track for track in (before, smile, after) if track is not None]
    landmarks = np.concatenate([track.landmarks for track in tracks])
    changes = np.concatenate([track.changes for track in tracks])
    bits = flags.find(
        landmarks,
        [look for track in tracks for look in track.looks],
        changes=changes,
        repeated=gaps.find_repeated(changes),
        image_size=size,
    )
    start = len(before.landmarks) if before is not None else 0
    lost = np.isnan(smile.landmarks[:, 0, 0])
    sample = Sample(
        name="smile",
        landmarks=smile.landmarks,
        fps=FPS,
        image_size=size,
        interpolated=tuple(np.flatnonzero(lost).tolist()),
        flags=bits[start : start + len(smile.landmarks)],
    )
    return flags.refusal(sample) or ""


def cover(
    image: Image, face: Float[np.ndarray, "478 3"], part: str, thing: str, *, away: float, rng: np.random.Generator
) -> Image:
    """Returns a copy of a picture with a thing over a part of the face.

    Args:
        image: RGB.
        face: the landmarks, fractions of the image.
        part: of PARTS.
        thing: of THINGS.
        away: how far it still is from there, downwards, in distances of the eyes.
        rng: of colour, pattern and place; the same state gives the same thing.
    """
    import cv2

    height, width = image.shape[:2]
    points = face[:, :2] * (width, height)
    eyes = points[EYES[1]] - points[EYES[0]]
    unit = float(np.linalg.norm(eyes))
    landmarks, half = PARTS[part]
    middle = points[list(landmarks)].mean(axis=0) + rng.normal(0, 0.04 * unit, 2) + (0, away * unit)
    across, down = np.array(half) * unit * rng.uniform(1, 1.2)
    angle = float(np.degrees(np.arctan2(eyes[1], eyes[0])))
    mask = np.zeros((height, width), np.uint8)
    if thing == "hand":
        _draw_hand(mask, middle, (across, down), angle + rng.uniform(-20, 20))
    else:
        box = cv2.boxPoints(((float(middle[0]), float(middle[1])), (2 * across, 2 * down), angle))
        cv2.fillPoly(mask, [box.round().astype(int)], 255)
    paint = _paint(image, points, thing, unit, rng)
    share = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] / 255
    return (image + share * (paint - image)).round().astype(np.uint8)


def _draw_hand(mask: np.ndarray, middle: np.ndarray, half: tuple[float, float], angle: float) -> None:
    """Draws a palm and four fingers that reach over its upper edge."""
    import cv2

    across, down = half
    turn = np.radians(angle)
    right, up = np.array([np.cos(turn), np.sin(turn)]), np.array([np.sin(turn), -np.cos(turn)])
    centre = tuple(middle.round().astype(int).tolist())
    cv2.ellipse(mask, centre, (round(1.1 * across), round(1.15 * down)), angle, 0, 360, 255, -1)
    for finger in (-0.72, -0.24, 0.24, 0.72):
        root = middle + finger * across * right
        tip = root + (1.5 - 0.5 * abs(finger)) * down * up
        start, stop = (tuple(point.round().astype(int).tolist()) for point in (root, tip))
        cv2.line(mask, start, stop, 255, max(2, round(0.4 * across)))


def _paint(
    image: Image, points: np.ndarray, thing: str, unit: float, rng: np.random.Generator
) -> Float[np.ndarray, "height width 3"]:
    """Returns what a thing looks like, over the whole picture: skin with folds, one colour, or a coarse print."""
    import cv2

    height, width = image.shape[:2]
    x, y = points[CHEEK].round().astype(int)
    skin = image[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].reshape(-1, 3).mean(axis=0)
    colour = skin * rng.uniform(0.85, 1.15) if thing == "hand" else rng.uniform(40, 220, 3)
    cell = max(2, round((0.12 if thing == "hand" else 0.2) * unit))
    coarse = rng.normal(0, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
    pattern = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    contrast = {"hand": 0.1, "card": 0.0, "cloth": 0.35}[thing]
    grain = rng.normal(0, render.GRAIN, (height, width, 1))
    return np.clip(colour * (1 + contrast * pattern) + grain, 0, 255)


def darken(image: Image, rng: np.random.Generator) -> Image:
    """Returns the picture with a tenth of its light, and the noise that a camera then makes."""
    return np.clip(image / 10 + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def blur(image: Image, face: Float[np.ndarray, "478 3"]) -> Image:
    """Returns the picture out of focus, by SIZE of the face's width."""
    import cv2

    width = float(np.ptp(face[:, 0])) * image.shape[1]
    return cv2.GaussianBlur(image, (0, 0), SIZE * width)


def turn(sample: Sample, hidden: Bool[np.ndarray, " frames"], sign: int) -> Sample:
    """Returns the sample with the head turned by TURN in the hidden frames, to one side and back within 0.3 s."""
    kernel = np.ones(max(1, round(0.3 * sample.fps)))
    share = np.convolve(hidden.astype(float), kernel / len(kernel), mode="same")
    share = np.where(hidden, 1, share)
    angles = np.zeros((len(hidden), 3))
    angles[:, 1] = np.radians(sign * TURN) * share
    metric = sample.landmarks.astype(float) * (1, sample.aspect, 1)
    middle = metric[:, [234, 454]].mean(axis=1, keepdims=True)
    turned = np.matmul(metric - middle, camera.rotations(angles)) + middle
    return dataclasses.replace(sample, landmarks=(turned / (1, sample.aspect, 1)).astype(np.float32))


def conversations(count: int, first_seed: int) -> Iterator[tuple[int, Sample, tuple[int, int]]]:
    """Yields seeds, conversations, and the first and last frame of a smile in each, with its margins."""
    seed = first_seed
    for _ in range(count):
        while True:
            conversation = converse(SECONDS, fps=FPS, seed=seed)
            seed += 1
            spans = [s for s in conversation.smiles if LENGTHS[0] <= s[1] - s[0] <= LENGTHS[1]]
            if spans:
                break
        begin, end = spans[0]
        sample = conversation.sample
        start = max(0, int((begin - MARGIN) * FPS))
        yield seed - 1, sample, (start, min(len(sample.landmarks), int((end + MARGIN) * FPS)))


def cases(sample: Sample, images: Sequence[Image], height: int, rng: np.random.Generator) -> Iterator[Case]:
    """Yields what can happen in a smile, its sample and pictures being given."""
    count = len(images)
    yield Case("nothing", 0.0, False, list(images))
    for name, light in LIGHTS.items():
        yield Case(f"light: {name}", 0.0, False, [np.clip(i * light, 0, 255).astype(np.uint8) for i in images])
    small = round(height * 70 / _width(sample, height))
    yield Case("small face", 0.0, False, list(render.frames(sample, height=small)))

    def hide(share: float, change: Callable[[Image, np.ndarray, float], Image]) -> list[Image]:
        hidden = _run(count, share, rng)
        ends = np.flatnonzero(hidden)[[0, -1]]
        return [
            change(image, face, max(0.0, 1 - np.abs(frame - ends).min() / (ENTERS * FPS))) if hidden[frame] else image
            for frame, (image, face) in enumerate(zip(images, sample.landmarks, strict=True))
        ]

    for part in PARTS:
        for thing in THINGS:
            for shares in (FEW, MANY):
                share, seed = float(rng.choice(shares)), int(rng.integers(2**31))
                frames = hide(
                    share,
                    lambda i, f, a, p=part, t=thing, s=seed: cover(i, f, p, t, away=a, rng=np.random.default_rng(s)),
                )
                yield Case(f"{thing} over {part}", share, shares is MANY, frames)
    for shares in (SOME, MOST):
        refuse = shares is MOST
        share = float(rng.choice(shares))
        yield Case("darkness", share, refuse, hide(share, lambda i, _f, _a: darken(i, rng)))
        yield Case("blur", share, refuse, hide(share, lambda i, f, _: blur(i, f)))
        turned = turn(sample, _run(count, share, rng), int(rng.choice((-1, 1))))
        yield Case("turned away", share, refuse, list(render.frames(turned, height=height)))


def _run(count: int, share: float, rng: np.random.Generator) -> Bool[np.ndarray, " frames"]:
    """Returns which frames are hidden: a share of them that follow each other, somewhere."""
    hidden = np.zeros(count, bool)
    length = round(share * count)
    first = int(rng.integers(count - length + 1))
    hidden[first : first + length] = True
    return hidden


def _width(sample: Sample, height: int) -> float:
    """Returns the width of the face in pixels of a picture."""
    return float(np.median(np.ptp(sample.landmarks[..., 0], axis=1)) * height / sample.aspect)


def measure(
    people: int, seed: int, say: Callable[[str], None], keep: Callable[..., None] | None = None
) -> list[Outcome]:
    """Draws the people, reads all cases and judges them; `keep` gets each case, its track and what is around it."""
    outcomes = []
    for number, (own_seed, sample, (start, stop)) in enumerate(conversations(people, seed)):
        height = HEIGHTS[number % len(HEIGHTS)]
        rng = np.random.default_rng([own_seed, 9])
        images = list(render.frames(sample, height=height))
        size = images[0].shape[1::-1]
        before = read(images[:start]) if start else None
        after = read(images[stop:]) if stop < len(images) else None
        smile = dataclasses.replace(sample, landmarks=sample.landmarks[start:stop])
        for case in cases(smile, images[start:stop], height, rng):
            track = read(case.frames)
            own_size = case.frames[0].shape[1::-1]
            alone = judge(track, None, None, own_size)
            # One recording has one light and one size.
            whole = case.group == "nothing" or case.share > 0
            recorded = judge(track, before, after, size) if whole else alone
            outcomes.append(Outcome(case.group, case.share, case.refuse, alone, recorded))
            if keep is not None:
                keep(case, track, (before, after) if whole else (None, None), own_size)
        say(f"{number + 1} of {people} people")
    return outcomes


def lines_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Returns the table: a line a group, and what went wrong in recordings and in videos that are cut to a smile."""
    head = f"{'':<24}{'may be judged':>14}{'refused, in recordings':>24}{'alone':>7}"
    lines = [f"{head}{'may not':>9}{'judged, in recordings':>23}{'alone':>7}"]

    def row(name: str, chosen: Sequence[Outcome]) -> str:
        fair = [o for o in chosen if not o.refuse]
        hidden = [o for o in chosen if o.refuse]
        refused = [sum(bool(getattr(o, way)) for o in fair) for way in ("recorded", "alone")]
        accepted = [sum(not getattr(o, way) for o in hidden) for way in ("recorded", "alone")]
        left = f"{name:<24}{len(fair):>14}{refused[0]:>24}{refused[1]:>7}"
        return f"{left}{len(hidden):>9}{accepted[0]:>23}{accepted[1]:>7}"

    for group in dict.fromkeys(outcome.group for outcome in outcomes):
        lines.append(row(group, [o for o in outcomes if o.group == group]))
    lines.append(row("all", outcomes))
    lines.append(row("half or less hidden", [o for o in outcomes if o.share <= 0.5]))
    return lines


def main(argv: Sequence[str] | None = None) -> list[Outcome]:
    """Prints the table, writes every case as JSON, and returns the outcomes."""
    parser = argparse.ArgumentParser(
        description="How often smiles are refused, or judged, wrongly when the face is hidden.",
        prog="python -m dfuse_jax.bench.occlusions",
    )
    parser.add_argument("--people", type=int, default=PEOPLE, help="how many people are drawn")
    parser.add_argument("--seed", type=int, default=2000, help="of the first one")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("occlusions.json"), help="file of the cases")
    options = parser.parse_args(argv)
    outcomes = measure(options.people, options.seed, functools.partial(print, file=sys.stderr, flush=True))
    print("\n".join(lines_of(outcomes)))
    with atomic(options.json) as file:
        json.dump([outcome._asdict() for outcome in outcomes], file, indent=1)
    return outcomes


if __name__ == "__main__":
    main()
