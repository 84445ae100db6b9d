"""Smiles whose classes differ in one cue alone, and clearly."""

import numpy as np

from dfuse_jax import dmarkers
from dfuse_jax.data.synthetic.camera import Camera, film
from dfuse_jax.data.synthetic.muscles import bump, modes, muscles, neutral_face
from dfuse_jax.samples import Sample

FPS, SECONDS = 25.0, (4.0, 5.0)
NOISE = 2e-4  # of the landmarks, in distances of the eyes: a tenth of a tracker's
# Ranges of every cue: where it does not tell the classes apart, of spontaneous smiles, and of posed ones.
CUES = {
    "onset": ((0.5, 0.8), (1.0, 1.3), (0.3, 0.45)),  # seconds
    "lids": ((0.15, 0.25), (0.4, 0.5), (0.0, 0.05)),  # closed by so much at the apex
    "asymmetry": ((0.0, 0.1), (0.0, 0.05), (0.4, 0.5)),  # of the lip corners
    "brows": ((0.0, 0.05), (0.3, 0.4), (0.0, 0.05)),  # raised all the time, in distances of the eyes
    "frame_rate": ((25.0, 25.0), (25.0, 25.0), (50.0, 50.0)),  # at which the same frames are said to follow
}
BROWS = (105, 334)
MOUTH = (61, 291, 0, 17)
TEMPO = (5.0, 1.0)  # hertz, at which the mouth goes up and down in spontaneous and in posed smiles: the cue "tempo"
SWING = 0.12  # of it, in distances of the eyes: 2% of the image's height


def smiles(videos, cue, *, seed=0):
    """As many subjects as pairs of videos, each with a spontaneous and a posed smile that differ in the cue."""
    rng = np.random.default_rng(seed)
    return [_smile(number, cue, rng) for number in range(videos)]


def _smile(number, cue, rng):
    subject, posed = divmod(number, 2)
    face_rng = np.random.default_rng([subject, 7])
    face = neutral_face() * face_rng.normal(1, 0.04, 3).astype(np.float32)
    face = face + modes(face_rng, face, count=8, size=0.02).sum(axis=0)
    traits = {name: rng.uniform(*ranges[1 + posed if name == cue else 0]) for name, ranges in CUES.items()}
    seconds = np.arange(round(rng.uniform(*SECONDS) * FPS)) / FPS
    begin, end = 0.5, seconds[-1] - 0.5
    smile = _smoothstep((seconds - begin) / traits["onset"]) * (1 - _smoothstep((seconds - end + 0.8) / 0.8))
    smile *= rng.uniform(0.7, 1)
    tilt = traits["asymmetry"] * rng.choice((-1, 1))
    lids = traits["lids"] * smile
    weights = np.stack(
        [smile * (1 + tilt), smile * (1 - tilt), 0.4 * smile, 0.4 * smile, lids, lids, 0 * smile], axis=1
    )
    points = face + np.einsum("tm,mpc->tpc", weights, muscles(face)).astype(np.float32)
    points += np.float32(traits["brows"]) * _raised_brows(face)
    if cue == "tempo":
        swing = SWING * np.sin(2 * np.pi * (TEMPO[posed] * seconds + rng.uniform()))
        points += swing[:, None, None].astype(np.float32) * _lowered_mouth(face)
    points += NOISE * rng.standard_normal(points.shape, np.float32)
    camera = Camera(fps=FPS, image_size=(640, 480), eye_distance=0.12, place=np.array([0.35, 0.5]))
    return Sample(
        name=f"{subject:03d}_{'posed' if posed else 'spontaneous'}",
        landmarks=film(rng, camera, points, face=face, seconds=seconds),
        fps=traits["frame_rate"],
        image_size=camera.image_size,
        label=1 - posed,
        subject=f"{subject:03d}",
    )


def _raised_brows(face):
    """The brows and the skin around them, but no point of Table 1."""
    field = sum(bump(face, brow, (0, -1, 0), radius=0.2) for brow in BROWS)
    field[list(dmarkers.LANDMARKS)] = 0
    return field.astype(np.float32)


def _lowered_mouth(face):
    field = sum(bump(face, point, (0, 1, 0), radius=0.15) for point in MOUTH)
    return np.minimum(field, 1).astype(np.float32)


def _smoothstep(x):
    x = np.clip(x, 0, 1)
    return x**2 * (3 - 2 * x)
