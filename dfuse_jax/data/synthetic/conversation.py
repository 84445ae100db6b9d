"""Synthetic conversations: long recordings of one face that talks, blinks, moves, and smiles at known times.

Rates and sizes are those of a real conversation, 200 s of one man (the FGNET Talking Face video): smiles stood 0.10 to
0.26 of D_lip above rest and lasted 2 to 23 s, three began in a minute; talk took up a quarter of the rest, in which
D_lip moved as TALK says; 21 blinks a minute. One man is no statistic: the numbers make the task like a real one.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dfuse_jax.data.synthetic.camera import add_tracking_errors, film, slow_curves
from dfuse_jax.data.synthetic.muscles import MUSCLES
from dfuse_jax.data.synthetic.smiles import Person, blinks, make_person, smoothstep
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

# Octaves of talk, from hertz on, and the standard deviation of D_lip in each.
TALK = {0.25: 0.012, 0.5: 0.0105, 1.0: 0.0085, 2.0: 0.0062, 4.0: 0.0042}
TALK_SHARE, UTTERANCE = 0.25, (2.0, 8.0)  # of the time; seconds
TONES = 6  # an octave
SMILES = 3.0  # a minute
AMPLITUDE = (0.10, 0.26)  # of D_lip
DURATION = (1.5, 20.0)  # seconds, the logarithm uniform
ONSET, OFFSET = (0.3, 1.0), (0.4, 1.5)  # seconds
REST = 2.5  # seconds at least between two smiles, and before the first
POSTURE = 0.017  # of D_lip, over seconds
LIP_CORNERS = (62, 308)  # right, left: those of the lip signal


class Conversation(NamedTuple):
    """A recording, and what happens in it.

    Attributes:
        sample: the landmarks.
        smiles: [N, 2], seconds at which each smile begins and ends.
        talks: [T], whether the face talks.
    """

    sample: Sample
    smiles: Float[np.ndarray, "smiles 2"]
    talks: Bool[np.ndarray, " frames"]


def converse(duration: float = 120.0, *, fps: float = 25.0, seed: int = 0) -> Conversation:
    """Makes a conversation.

    Args:
        duration: in seconds.
        fps: frames per second; another one films the same conversation, with other errors of the tracker.
        seed: determines everything else.

    Raises:
        UserError: there is no frame.
    """
    frames = round(duration * fps) if np.isfinite(fps) and fps > 0 else 0
    if frames < 1:
        raise UserError(f"cannot make a conversation of {duration:g} seconds at {fps:g} frames per second.")
    events, voice, tracker, camera = (np.random.default_rng([seed, number]) for number in range(4))
    person = make_person(np.random.default_rng([seed, 0, 0]), (fps,))
    seconds = np.arange(frames) / fps
    smiles, curve = _smiles(events, seconds, duration)
    talks, movement = _talk(voice, seconds, duration)
    posture = POSTURE * slow_curves(voice, seconds, 1)[:, 0]
    unit = _widening(person)
    corners = (curve + movement + posture) / unit
    lids = np.maximum(0.2 * curve / unit, blinks(voice, seconds))
    cheek = 0.6 * curve / unit
    jaw = 0.15 * np.abs(movement) / TALK[0.25]
    weights = np.stack([corners, corners, cheek, cheek, lids, lids, jaw], axis=1).astype(np.float32)
    points = person.face + (weights @ person.muscles.reshape(len(MUSCLES), -1)).reshape(frames, -1, 3)
    add_tracking_errors(tracker, points, face=person.face, seconds=seconds)
    return Conversation(
        sample=Sample(
            name=f"conversation_{seed}",
            landmarks=film(camera, person.camera, points, face=person.face, seconds=seconds),
            fps=fps,
            image_size=person.camera.image_size,
        ),
        smiles=smiles,
        talks=talks,
    )


def _widening(person: Person) -> float:
    """Returns by how much D_lip of this face grows when the smile contracts fully."""
    rest = person.face[list(LIP_CORNERS)]
    smile = person.muscles[[name == "smile" for name in MUSCLES]].sum(axis=0)[list(LIP_CORNERS)]
    distances = np.linalg.norm(rest + smile - rest.mean(axis=0), axis=1)
    return float(distances.mean() / np.linalg.norm(rest[1] - rest[0])) - 0.5


def _smiles(
    rng: np.random.Generator, seconds: Float[np.ndarray, " frames"], duration: float
) -> tuple[Float[np.ndarray, "smiles 2"], Float[np.ndarray, " frames"]]:
    """Draws when the face smiles, and how much it does over time, in D_lip."""
    curve, spans = np.zeros(len(seconds)), []
    begin = REST + rng.exponential(60 / SMILES / 2)
    while True:
        end = begin + np.exp(rng.uniform(*np.log(DURATION)))
        onset, offset, amplitude = rng.uniform(*ONSET), rng.uniform(*OFFSET), rng.uniform(*AMPLITUDE)
        if end > duration - REST:
            return np.array(spans).reshape(-1, 2), curve
        share = min(1, (end - begin) / (onset + offset))
        rise = np.clip((seconds - begin) / (share * onset), 0, 1)
        fall = np.clip((end - seconds) / (share * offset), 0, 1)
        curve += amplitude * smoothstep(rise) * smoothstep(fall)
        spans.append((begin, end))
        begin = end + REST + rng.exponential(60 / SMILES / 2)


def _talk(
    rng: np.random.Generator, seconds: Float[np.ndarray, " frames"], duration: float
) -> tuple[Bool[np.ndarray, " frames"], Float[np.ndarray, " frames"]]:
    """Draws when the face talks, and how its lip corners move then, in D_lip."""
    loudness, begin = np.zeros(len(seconds)), 0.0
    while begin < duration:
        length = rng.uniform(*UTTERANCE)
        begin += rng.exponential(length * (1 / TALK_SHARE - 1))
        inside = np.minimum(seconds - begin, begin + length - seconds)
        loudness = np.maximum(loudness, np.clip(inside / 0.3, 0, 1))
        begin += length
    movement = np.zeros(len(seconds))
    for lowest, deviation in TALK.items():
        tones = lowest * 2 ** rng.uniform(0, 1, TONES)
        phases = rng.uniform(0, 2 * np.pi, TONES)
        waves = np.sin(2 * np.pi * seconds[:, None] * tones + phases).sum(axis=1)
        movement += deviation * np.sqrt(2 / TONES) * waves
    return loudness > 0, loudness * movement
