"""Bundled synthetic data: labelled smile sequences that need no database, for demos, tests and controls.

One face of 478 landmarks (`muscles.neutral_face`) is deformed into subjects, and each subject smiles, spontaneously and
on purpose. The two kinds differ on average, and overlap, in the directions that the literature gives (TRAITS holds the
amounts, which are chosen, not measured):

* Onset and offset take longer in spontaneous smiles, so they are slower: Ekman & Friesen 1982; Hess & Kleck 1990; Cohn
  & Schmidt 2004; Dibeklioglu, Salah & Gevers 2015; Guo et al. 2018. In Schmidt et al. 2006 the speeds agree, but the
  offset lasted longer in deliberate smiles.
* Amplitude of the lip corners is smaller in spontaneous smiles: Cohn & Schmidt 2004; Schmidt et al. 2006.
* Cheeks rise and eyelids narrow more in spontaneous smiles (orbicularis oculi, the Duchenne marker): Ekman & Friesen
  1982; Ekman, Davidson & Friesen 1990; the eyelids above all: Dibeklioglu et al. 2015.
* Left and right differ more in posed smiles: Ekman, Hager & Friesen 1981. Schmidt et al. 2006 found no such difference.
* Several peaks, and an apex that varies, are commoner in spontaneous smiles: Cohn & Schmidt 2004; Guo et al. 2018.
* A hesitation within the onset is commoner in posed smiles, spontaneous ones are smooth: Hess & Kleck 1990; Frank,
  Ekman & Friesen 1993.

The rest is drawn alike for both: frame rate, image size, subject, head motion, blinks, jitter. A subject's spontaneous
and posed smiles come in pairs of equally many frames, so a classifier of the length alone is at chance, which it is not
on the real databases.

Both kinds together move as real faces do: the medians of the ranges of the three signals, of their jitter, of the
difference between the sides and of the times of rise and fall are within a factor of two of those of nine smiles in
public clips (`tests/data/synthetic/test_against_real.py` has the numbers). Most of these nine are smiles in a
conversation; none is labelled, so they say nothing about how the two kinds differ.

What these data are not: they are not recordings, nor a model fitted to any. Nobody smiled, nobody felt anything. How
well a classifier does on them follows from the numbers in TRAITS, so no accuracy on them says anything about people, or
about the same classifier on people. They show that the software runs, and that its controls work.

Cohn & Schmidt 2004, The timing of facial motion in posed and spontaneous smiles, Int. J. Wavelets Multires. Inf. 2.
Dibeklioglu, Salah & Gevers 2015, Recognition of genuine smiles, IEEE Trans. Multimedia 17.
Ekman & Friesen 1982, Felt, false, and miserable smiles, J. Nonverbal Behavior 6.
Ekman, Davidson & Friesen 1990, The Duchenne smile, J. Personality and Social Psychology 58.
Ekman, Hager & Friesen 1981, The symmetry of emotional and deliberate facial actions, Psychophysiology 18.
Frank, Ekman & Friesen 1993, Behavioral markers and recognizability of the smile of enjoyment, J. Pers. Soc. Psych. 64.
Guo, Zhang, Liang & Yan 2018, The dynamic features of lip corners in genuine and posed smiles, Front. Psychology 9.
Hess & Kleck 1990, Differentiating emotion elicited and deliberate emotional facial expressions, Eur. J. Soc. Psych. 20.
Schmidt, Ambadar, Cohn & Reed 2006, Movement differences between deliberate and spontaneous facial expressions:
zygomaticus major action in smiling, J. Nonverbal Behavior 30.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from dfuse_jax.data.synthetic.camera import Camera, add_tracking_errors, film, slow_curves
from dfuse_jax.data.synthetic.muscles import MUSCLES, modes, muscles, neutral_face
from dfuse_jax.data.synthetic.render import DrawnChips
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

# Median; spread (standard deviation of the logarithm); by how many spreads spontaneous smiles exceed the median and
# posed ones fall short of it.
TRAITS = {
    "onset": (1.50, 0.40, 0.95),  # seconds
    "offset": (1.20, 0.40, 0.8),  # seconds
    "amplitude": (0.90, 0.30, -0.5),  # of full contraction, as the next two
    "cheek": (0.55, 0.50, 0.8),
    "lids": (0.22, 0.50, 1.0),
    "asymmetry": (0.12, 0.60, -0.45),  # (right - left) / (right + left), either sign
    "pause": (0.40, 0.60, -0.45),  # by how much the onset slows halfway, 1: to a stop
    "swell": (0.12, 0.60, 0.45),  # share of the amplitude that comes and goes between the peaks
    "peaks": (0.60, 0.50, 0.5),  # expected number of further peaks
}
WANDER = 0.03  # of full closing: each upper lid rises and sinks by itself, slowly
SUBJECT_SHARE = 0.4  # of a trait's variance lies between subjects
IMAGE_SIZES = ((640, 480), (720, 576), (1920, 1080))
EYE_DISTANCE = (0.10, 0.13)  # fractions of the image's width


@dataclasses.dataclass(frozen=True)
class Person:
    """A subject.

    Attributes:
        face: at rest, in face coordinates.
        muscles: the fields by which MUSCLES move this face.
        habits: how the smiles of this person differ from others', in each of TRAITS; standard normal.
        camera: films all smiles of this person.
    """

    face: Float32[np.ndarray, "478 3"]
    muscles: Float32[np.ndarray, "7 478 3"]
    habits: Float[np.ndarray, "9"]
    camera: Camera


def generate(
    videos: int = 1240,
    subjects: int = 400,
    *,
    seed: int = 0,
    frames: tuple[int, int] = (80, 160),
    fps: tuple[float, ...] = (25.0, 29.97, 50.0),
    difference: float = 1.0,
    image_sizes: tuple[tuple[int, int], ...] = IMAGE_SIZES,
    eye_distance: tuple[float, float] = EYE_DISTANCE,
    amplitude: float = 1.0,
) -> list[Sample]:
    """Makes labelled smile sequences; see the module's docstring for what they are and are not.

    Args:
        videos: the number of videos. Labels alternate, spontaneous first; an odd number ends without its posed smile.
        subjects: the largest number of people: pairs of videos go to subject 0, 1, 2, ... and round again.
        seed: determines everything. The first n videos are the same however many are asked for.
        frames: the fewest and the most frames of a video; uniform in between, a pair's two videos alike.
        fps: frame rates; each subject has one of them.
        difference: scales every difference between the classes; 0 makes them alike.
        image_sizes: (width, height) in pixels; each subject has one of them.
        eye_distance: the smallest and the largest distance between the eyes, fractions of the image's width.
        amplitude: scales the smiles of both classes.

    Returns:
        Samples named like UvA-NEMO's videos (`007_spontaneous_smile_1`, `007_deliberate_smile_1`; subject `007`). Their
        chips are drawn when they are asked for.
    """
    if videos < 0 or subjects < 1 or not 1 <= frames[0] <= frames[1] or not fps:
        raise UserError(
            f"cannot make {videos} videos of {subjects} subjects with {frames} frames at {fps} per second: expected "
            "videos >= 0, subjects >= 1, 1 <= fewest frames <= most frames and a frame rate."
        )
    count = min(subjects, (videos + 1) // 2)
    people = [
        make_person(np.random.default_rng([seed, 0, i]), fps, image_sizes=image_sizes, eye_distance=eye_distance)
        for i in range(count)
    ]
    return [
        _make_sample(i, people, seed=seed, frames=frames, difference=difference, amplitude=amplitude)
        for i in range(videos)
    ]


def _make_sample(
    i: int, people: Sequence[Person], *, seed: int, frames: tuple[int, int], difference: float, amplitude: float
) -> Sample:
    """Makes video i: the label alternates, the subject changes after every pair."""
    pair, label = i // 2, 1 - i % 2
    turn, subject = divmod(pair, len(people))
    person = people[subject]
    rng = np.random.default_rng([seed, 2, i])
    length = int(np.random.default_rng([seed, 1, pair]).integers(frames[0], frames[1] + 1))
    traits = _draw_traits(rng, person.habits, difference if label else -difference)
    traits["amplitude"] *= amplitude
    kind = "spontaneous" if label else "deliberate"
    sample = Sample(
        name=f"{subject + 1:03d}_{kind}_smile_{turn + 1}",
        landmarks=_record(rng, person, traits, length),
        fps=person.camera.fps,
        image_size=person.camera.image_size,
        label=label,
        subject=f"{subject + 1:03d}",
    )
    return dataclasses.replace(sample, chip_source=DrawnChips(sample))


def make_person(
    rng: np.random.Generator,
    fps: Sequence[float],
    *,
    image_sizes: Sequence[tuple[int, int]] = IMAGE_SIZES,
    eye_distance: tuple[float, float] = EYE_DISTANCE,
) -> Person:
    face = neutral_face() * rng.normal(1, 0.04, 3).astype(np.float32)
    face = face + modes(rng, face, count=8, size=0.02).sum(axis=0)
    return Person(
        face=face,
        muscles=muscles(face),
        habits=rng.standard_normal(len(TRAITS)),
        camera=Camera(
            fps=float(rng.choice(fps)),
            image_size=image_sizes[int(rng.integers(len(image_sizes)))],
            eye_distance=rng.uniform(*eye_distance),
            place=rng.uniform((0.30, 0.49), (0.40, 0.57)),
        ),
    )


def _draw_traits(rng: np.random.Generator, habits: Float[np.ndarray, "9"], direction: float) -> dict[str, float]:
    """Draws one smile's value of every trait, from the person's habits, the mood and the kind of smile.

    Args:
        rng: draws the mood.
        habits: of the person.
        direction: positive for spontaneous smiles, negative for posed ones; scales their difference.
    """
    mood = rng.standard_normal(len(TRAITS))
    deviations = np.sqrt(SUBJECT_SHARE) * habits + np.sqrt(1 - SUBJECT_SHARE) * mood
    median, spread, shift = np.array(list(TRAITS.values())).T
    return dict(zip(TRAITS, median * np.exp(spread * (deviations + direction * shift)), strict=True))


def _record(
    rng: np.random.Generator, person: Person, traits: dict[str, float], length: int
) -> Float32[np.ndarray, "frames 478 3"]:
    """Returns the landmarks of one smile in MediaPipe's coordinates: the face moves, is tracked and filmed."""
    seconds = np.arange(length) / person.camera.fps
    weights = _contractions(rng, traits, seconds).astype(np.float32)
    fields = person.muscles.reshape(len(MUSCLES), -1)
    points = person.face + (weights @ fields).reshape(length, -1, 3)
    add_tracking_errors(rng, points, face=person.face, seconds=seconds)
    return film(rng, person.camera, points, face=person.face, seconds=seconds)


def _contractions(
    rng: np.random.Generator, traits: dict[str, float], seconds: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames 7"]:
    """Returns over time how far each of MUSCLES contracts."""
    smile = traits["amplitude"] * _rise_and_fall(rng, traits, seconds)

    def delayed(delay: float) -> Float[np.ndarray, " frames"]:
        return np.interp(seconds - delay, seconds, smile)

    cheek = traits["cheek"] * delayed(rng.uniform(0, 0.1))
    squint = np.minimum(traits["lids"] * delayed(rng.uniform(0, 0.15)), 0.8)
    lids = np.maximum(squint[:, None] + WANDER * slow_curves(rng, seconds, 2), blinks(rng, seconds)[:, None])
    jaw = rng.uniform(0, 0.6) * smile**2
    tilt = rng.choice((-1, 1)) * min(traits["asymmetry"], 0.5)
    right, left = 1 + tilt, 1 - tilt
    return np.stack([right * smile, left * smile, right * cheek, left * cheek, *lids.T, jaw], axis=1)


def _rise_and_fall(
    rng: np.random.Generator, traits: dict[str, float], seconds: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, " frames"]:
    """Returns a curve in [0, 1]: rest, onset, apex with one or more peaks, offset, rest; fitted to short videos."""
    end = seconds[-1]
    start, stop = end * rng.uniform(0.03, 0.15), end * (1 - rng.uniform(0.03, 0.15))
    shrink = min(1, 0.85 * (stop - start) / (traits["onset"] + traits["offset"])) if end else 1
    full, fading = start + shrink * traits["onset"], stop - shrink * traits["offset"]

    def progress(begin: float, end: float) -> Float[np.ndarray, " frames"]:
        return np.clip((seconds - begin) / max(end - begin, 1e-6), 0, 1)

    rising, apex, falling = progress(start, full), progress(full, fading), progress(fading, stop)
    rising = rising + min(traits["pause"], 0.95) * np.sin(2 * np.pi * rising) / (2 * np.pi)
    swell = min(traits["swell"], 0.5) * np.sin(np.pi * rng.poisson(traits["peaks"]) * apex) ** 2
    rest = rng.uniform(0, 0.3)  # people often stop smiling only partly
    return smoothstep(rising) * (1 - swell) * (1 - (1 - rest) * smoothstep(falling))


def smoothstep(x: Float[np.ndarray, " frames"]) -> Float[np.ndarray, " frames"]:
    """Goes from 0 to 1, level at both ends; from 20% to 80% in 0.43 of the time."""
    return x**2 * (3 - 2 * x)


def blinks(rng: np.random.Generator, seconds: Float[np.ndarray, " frames"]) -> Float[np.ndarray, " frames"]:
    """Returns how far blinks close the eyes, in [0, 1]; one in three seconds."""
    count = rng.poisson(seconds[-1] / 3)
    moments, durations = rng.uniform(0, seconds[-1], count), rng.uniform(0.06, 0.1, count)
    return np.exp(-(((seconds[:, None] - moments) / durations) ** 2)).max(axis=1, initial=0)
