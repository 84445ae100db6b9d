"""Why: what the models of a finished run rest their answer for a video on.

    explanation = dfuse_jax.explain("results/mine", "smile.mp4")
    explanation.shapley.mean(axis=0)                            # of `explanation.players`, averaged over the models

`explainer` prepares this for many videos, and for single clips in a fraction of a second (`Explainer.contributions`).
"""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from dfuse_jax import dmarkers, samples
from dfuse_jax.constants import NUM_DMARKERS, NUM_LANDMARKS
from dfuse_jax.data.dataset import list_labels
from dfuse_jax.evaluate.explanation import ENCODER, Explanation, Player
from dfuse_jax.experiments import training_data
from dfuse_jax.experiments.crossval import Data
from dfuse_jax.experiments.predict import Trained, load
from dfuse_jax.extract import flags
from dfuse_jax.extract.landmarks import extract_landmarks
from dfuse_jax.report import explanation as report
from dfuse_jax.report.files import write_json
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import attribution, coordinates, dfusesmilenet, still
from dfuse_jax.systems.attribution import GROUPS, Opened
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Inputs, State, as_clips

BACKGROUND = 16  # videos that a video is compared with
CLIP = ("points", "neighbours")  # what the encoder sees
BLOCK = 2  # frames that are left out of a clip together


class Contributions(NamedTuple):
    """What one model's answer for one clip rests on.

    Attributes:
        start: mean probability of the background videos.
        probability: of the clip; `start` and `values` add up to it.
        values: the exact Shapley value of every player of `Explainer.players`.
    """

    start: float
    probability: float
    values: Float[np.ndarray, " players"]


class _Variants(NamedTuple):
    """The clips of a video, with and without parts of them.

    Attributes:
        clips: {"points", "neighbours"} with leaves [variants * windows, frames, ...]; first come the clips as they are,
            then those in which one of `still.PARTS` does not move, then those in which a block of frames does not.
        windows: how many clips the video has.
    """

    clips: dict[str, Any]
    windows: int


class _Answer(NamedTuple):
    """What one model gives: see the attributes of `Explanation`, and `clips`, the probability of every variant."""

    start: float
    probability: float
    shapley: Float[np.ndarray, " players"]
    gradients: Float[np.ndarray, " dmarkers"]
    gradient_difference: float
    clips: Float[np.ndarray, "variants windows"]


@dataclasses.dataclass(frozen=True)
class Explainer:
    """Models and the videos that others are compared with; what is compiled for one video serves all.

    Attributes:
        trained: the models.
        system: theirs.
        opened: its network, without what is learnt.
        states: what each model has learnt.
        frames: the encoder's output for a clip of each background video, by each model.
        markers: the standardised D-Markers of these.
        background: what they are, a noun phrase.
    """

    trained: Trained
    system: Neural
    opened: Opened
    states: tuple[State, ...]
    frames: Float[np.ndarray, "models background frames width"]
    markers: Float[np.ndarray, "models background 225"]
    background: str

    @property
    def players(self) -> tuple[Player, ...]:
        """The inputs whose share is told: the nine groups of D-Markers and the encoder, those that have an effect."""
        groups = tuple(Player(*group) for group in GROUPS) if self.opened.sees_dmarkers else ()
        return (*groups, ENCODER) if self.opened.sees_encoder else groups

    def explain(self, sample: Sample) -> Explanation:
        """Returns what every model's answer for a video rests on.

        Raises:
            UserError: the video is not judged, as the camera did not see the face in too many frames.
        """
        reason = flags.refusal(sample)
        if reason is not None:
            raise UserError(f"{sample.name}: not judged: {reason}")
        inputs = self.system.inputs([sample])
        starts = self.system.window_starts(inputs)[0]
        clip_frames = self.system.settings.clip_frames
        variants = _variants(self.opened, sample, starts, frames=clip_frames)
        (features,) = _features(self.opened, inputs)
        answers = [self._answer(model, features, variants) for model in range(len(self.states))]
        clips = np.stack([answer.clips for answer in answers])
        effects = clips[:, :1] - clips[:, 1:]
        stop = np.minimum(starts + clip_frames, len(sample.landmarks))
        sees_dmarkers = self.opened.sees_dmarkers
        return Explanation(
            name=sample.name,
            run=self.trained.name,
            note=self.trained.note,
            players=self.players,
            start=np.array([answer.start for answer in answers]),
            probability=np.array([answer.probability for answer in answers]),
            shapley=np.stack([answer.shapley for answer in answers]),
            gradients=np.stack([answer.gradients for answer in answers]) if sees_dmarkers else None,
            gradient_difference=np.array([answer.gradient_difference for answer in answers]) if sees_dmarkers else None,
            parts={part: effects[:, n].mean(axis=-1) for n, part in enumerate(still.PARTS) if self.opened.sees_encoder},
            frames=_over_frames(effects[:, len(still.PARTS) :], starts, len(sample.landmarks)),
            windows=np.stack([starts, stop], axis=1),
            background=self.background,
            notes=self._notes(),
        )

    def write(
        self,
        explanation: Explanation,
        sample: Sample,
        picture: str | os.PathLike,
        table: str | os.PathLike,
        *,
        title: str,
    ) -> None:
        """Writes an explanation of a sample as a picture (PNG) and as JSON."""
        options = self.trained.dmarkers_options
        landmarks = scale(sample.landmarks) if options["definition"] == "authors" else sample.landmarks
        signals = dmarkers.signals(landmarks, aspect=sample.aspect, **options)
        lip = signals.mean[dmarkers.REGIONS.index("lip")]
        phases = np.asarray(dmarkers.phase_ends(lip, sample.fps, definition=options["definition"]))
        report.draw(picture, explanation, signals, phases, fps=sample.fps, title=title)
        write_json(table, report.to_json(explanation, sample.fps))

    def contributions(
        self, landmarks: Float[np.ndarray, "frames 478 3"], features: Float[np.ndarray, "225"], *, model: int = 0
    ) -> Contributions:
        """Returns what one model's answer for one clip rests on; all calls share one compiled program.

        Args:
            landmarks: of a clip, as many frames as the models were trained on, in MediaPipe's coordinates.
            features: the D-Markers by the models' definition; any numbers where they see none.
            model: the number of the model, from 0.

        Raises:
            ValueError: the clip has another number of frames.
        """
        expected = self.system.settings.clip_frames
        if len(landmarks) != expected:
            raise ValueError(f"landmarks have {len(landmarks)} frames, expected a clip of {expected}.")
        state = self.states[model]
        points = scale(np.asarray(self.opened.model.select(landmarks)))
        embedded = self.opened.encode(state, _clips(self.opened, points[None]))
        markers = _standardise(self.opened, state, np.asarray(features))
        start, values = self.opened.shapley(state, embedded, markers, self.frames[model], self.markers[model])
        values = np.asarray(values, float)
        return Contributions(float(start), float(start) + float(values.sum()), values)

    def _answer(self, model: int, features: Float[np.ndarray, "225"], variants: _Variants) -> _Answer:
        state = self.states[model]
        markers = _standardise(self.opened, state, features)
        embedded = self.opened.encode(state, variants.clips)
        clips = np.asarray(self.opened.probabilities(state, embedded, markers), float).reshape(-1, variants.windows)
        own = embedded[: variants.windows]
        start, shapley = self.opened.shapley(state, own, markers, self.frames[model], self.markers[model])
        gradients, difference = np.zeros(0), 0.0
        if self.opened.sees_dmarkers:
            gradients, difference = self.opened.integrated_gradients(state, own, markers, self.markers[model])
        return _Answer(
            start=float(start),
            probability=float(clips[0].mean()),
            shapley=np.asarray(shapley, float),
            gradients=gradients,
            gradient_difference=difference,
            clips=clips,
        )

    def _notes(self) -> tuple[str, ...]:
        if not self.opened.sees_dmarkers:
            return ("These models see no D-Markers, so the moving face is all that an answer can rest on.",)
        if not self.opened.sees_encoder:
            return (
                f"The fusion {self.opened.model.fusion!r} cannot see the moving face itself, so an answer rests on the "
                "D-Markers alone.",
            )
        return ()


def explain(
    run: Trained | str | os.PathLike,
    video: Sample | str | os.PathLike,
    *,
    background: Sequence[Sample] | None = None,
    models: int | None = None,
) -> Explanation:
    """Returns what the models of a run rest their answer for a video on.

    Shapley values of the nine groups of D-Markers and of the encoder, integrated gradients of the 225 D-Markers, and
    what the clips' answer loses where a part of the face, or the face in some frames, does not move.

    Args:
        run: the folder of a finished run, an exported model, or what `load` returned.
        video: a sample, the file of one (.npz), or a video file, for which the extra `extract` is needed.
        background: videos that this one is compared with; by default up to 16 training videos of each model.
        models: how many of the run's models to ask, spread over its folds; None: all.

    Raises:
        UserError: there are no such models or no such video, the system cannot be explained, the video is not judged,
            or the training videos are not there and no others were given.
    """
    trained = run if isinstance(run, Trained) else load(pathlib.Path(run))
    if models is not None:
        trained = trained.some(models)
    if not isinstance(video, Sample):
        video = samples.load(video) if os.fspath(video).endswith(".npz") else extract_landmarks(video)
    return explainer(trained, background).explain(video)


def explainer(trained: Trained, background: Sequence[Sample] | None = None) -> Explainer:
    """Returns what explains the answers of some models.

    Args:
        trained: the models.
        background: videos to compare with; None: BACKGROUND of each model's own training videos, drawn once and for
            all, as many of each class.

    Raises:
        UserError: the system cannot be explained, or its training videos are not there.
    """
    system = attribution.require_neural(trained.system)
    opened = attribution.open_network(system)
    seen = coordinates.choice(trained.config)
    if seen != coordinates.DEFAULT:
        raise UserError(f"models that see landmarks in the coordinates {seen!r} cannot be explained, only in 'image'.")
    if background is None:
        data = training_data.read(trained, remedy="background")
        chosen = [_draw(data, fold) for _, fold in trained.models]
        videos, what = data.samples, f"{len(chosen[0])} of the training videos"
    else:
        if not background:
            raise UserError("background: expected one video at least.")
        count = min(BACKGROUND, len(background))
        chosen = [np.linspace(0, len(background) - 1, count).round().astype(int)] * len(trained.models)
        videos, what = background, f"{count} other videos"
    used = np.unique(np.concatenate(chosen))
    inputs = system.inputs([videos[v] for v in used])
    features = _features(opened, inputs)
    windows, (_, per_video) = system.windows(inputs)
    clips = {name: leaf[::per_video] for name, leaf in as_clips(windows).items() if name in CLIP}
    states = tuple(jax.tree.map(lambda x, m=m: x[m], trained.fitted) for m in range(len(trained.models)))
    frames, markers = [], []
    for state, members in zip(states, chosen, strict=True):
        rows = np.searchsorted(used, members)
        frames.append(np.asarray(opened.encode(state, {name: leaf[rows] for name, leaf in clips.items()})))
        markers.append(_standardise(opened, state, features[rows]))
    return Explainer(trained, system, opened, states, np.stack(frames), np.stack(markers), what)


def _features(opened: Opened, inputs: Inputs) -> Float[np.ndarray, "videos 225"]:
    """Returns the D-Markers of the videos; zeros where the network sees none."""
    if opened.sees_dmarkers:
        return np.asarray(inputs.per_video["dmarkers"])
    return np.zeros((len(inputs.label), NUM_DMARKERS), inputs.label.dtype)


def _standardise(
    opened: Opened, state: State, features: Float[np.ndarray, "*videos 225"]
) -> Float[np.ndarray, "*videos 225"]:
    """Returns D-Markers on the scale of the model's training videos."""
    return np.asarray(state.standardise({"dmarkers": features})["dmarkers"]) if opened.sees_dmarkers else features


def _variants(opened: Opened, sample: Sample, starts: Int[np.ndarray, " windows"], *, frames: int) -> _Variants:
    """Returns the clips of a video, with and without parts of them; without the latter where no encoder sees them."""
    frame = starts[:, None] + np.arange(frames)
    inside = frame < len(sample.landmarks)
    frame = np.minimum(frame, len(sample.landmarks) - 1)
    moving, held = sample.landmarks[frame], [np.zeros((frames, NUM_LANDMARKS), bool)]
    if opened.sees_encoder:
        part = still.part_of_landmarks()
        block = np.arange(frames) // BLOCK
        held += [np.broadcast_to(part == n, (frames, NUM_LANDMARKS)) for n in range(len(still.PARTS))]
        held += [np.broadcast_to((block == n)[:, None], (frames, NUM_LANDMARKS)) for n in range(block[-1] + 1)]
    resting = still.still_face(sample)[frame]
    clips = np.where(np.stack(held)[:, None, ..., None], resting, moving)  # [variants, windows, frames, 478, 3]
    points = np.where(inside[..., None, None], scale(np.asarray(opened.model.select(clips))), 0)
    return _Variants(_clips(opened, points.reshape(-1, *points.shape[2:])), len(starts))


def _clips(opened: Opened, points: Float[np.ndarray, "clips frames points 3"]) -> dict[str, Any]:
    """Returns clips as the encoder sees them."""
    rows = points.reshape(-1, *points.shape[2:]).astype(jnp.result_type(float))
    neighbours = dfusesmilenet.find_neighbours(rows, opened.model.neighbours + 1)
    return {
        name: leaf.reshape(*points.shape[:2], *leaf.shape[1:])
        for name, leaf in zip(CLIP, (rows, neighbours), strict=True)
    }


def _over_frames(
    effects: Float[np.ndarray, "models blocks windows"], starts: Int[np.ndarray, " windows"], frames: int
) -> Float[np.ndarray, "models frames"]:
    """Returns the mean effect of every frame over the windows that show it, NaN where none does."""
    models, blocks, _ = effects.shape
    total, count = np.zeros((models, frames)), np.zeros(frames)
    for window, start in enumerate(starts):
        for block in range(blocks):
            shown = slice(start + block * BLOCK, min(start + (block + 1) * BLOCK, frames))
            total[:, shown] += effects[:, block, window, None]
            count[shown] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _draw(data: Data, fold: int) -> Int[np.ndarray, " background"]:
    """Returns BACKGROUND training videos of a fold, half of them of each class where there are enough, sorted."""
    train = data.folds[fold - 1].train
    labels = np.array(list_labels(data.samples))[train]
    rng = np.random.default_rng([BACKGROUND, fold])
    order = rng.permutation(len(train))
    rank = np.empty(len(train), int)  # of a video among those of its class
    for label in (0, 1):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    return np.sort(train[np.lexsort((order, rank))[:BACKGROUND]])
