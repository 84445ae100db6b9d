"""What the encoder takes to learn a motion: `python -m dfuse_jax.bench.encoder_study`.

The classes of the smiles differ in nothing but how fast the mouth goes up and down: 5 times a second in one class, once
in the other, from a random place in its way, by 2% of the image's height. The encoder alone learns to tell them apart
on half of the subjects and is tested on the other half, and the other way round, so that every video is tested once.
Every row of the table is one way to train it. On a CPU the sizes are small by default; the flags say which.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, cast

import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from dfuse_jax import train
from dfuse_jax.data import synthetic
from dfuse_jax.data.folds import make_folds
from dfuse_jax.data.mirror import mirror
from dfuse_jax.data.synthetic.muscles import bump, neutral_face
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import coordinates, dfusesmilenet, videos
from dfuse_jax.train import Inputs, Optimizer, Replica, Settings, State, Tuning, end_to_end

FPS = 25.0
FRAMES = (48, 64)
TEMPO = (1.0, 5.0)  # hertz, of posed and of spontaneous smiles
SWING = 0.02  # of the mouth, up and down, in heights of the image
MOUTH = (61, 291, 0, 17, 13, 14)  # corners and middles of the lips
FOLDS = 2
WINDOWS = 5  # clips of a video whose probabilities are averaged in the end
COLUMNS = (
    "training",
    "steps",
    "right on unseen subjects (95%)",
    "AUC",
    "on training videos",
    "unseen, by batch statistics",
    "loss",
    "CPU",
)
PLAIN = Tuning(learning_rate=2e-3, last_epoch_factor=1.0, dropout=0.0)


class Case(NamedTuple):
    """A way to train the encoder.

    Attributes:
        name: in the table.
        view: a name of `coordinates.NAMES`, or of `view`.
        tuning: of the training.
        warmup: epochs over which the learning rate rises.
        batch_size: clips in a step.
        copies: "mirrored" or "shifted" videos train as well.
        longer: times as many epochs.
    """

    name: str
    view: str = "image"
    tuning: Tuning = PLAIN
    warmup: int = 0
    batch_size: int = 16
    copies: str = ""
    longer: float = 1


CASES = (
    Case("image"),
    Case("image, learning rate 5e-4", tuning=PLAIN._replace(learning_rate=5e-4)),
    Case("image, learning rate 1e-2", tuning=PLAIN._replace(learning_rate=1e-2)),
    Case("image, dropout 0.1", tuning=PLAIN._replace(dropout=0.1)),
    Case("image, weight decay 0.1", tuning=PLAIN._replace(weight_decay=0.1)),
    Case("image, mirrored too", copies="mirrored", longer=0.5),  # as many steps
    Case("image, shifted too", copies="shifted", longer=0.5),
    Case("image, three times as long", longer=3),
    Case("image, warm-up", warmup=10),
    Case("image, one face for all, moved 5 times as far", "image_motion_x5"),
    Case("face", "face"),
    Case("face, about the video's mean", "centred"),
    Case("face, moved 5 times as far", "face_x5"),
    Case("motion", "motion"),
    Case("motion, learning rate 5e-4", "motion", tuning=PLAIN._replace(learning_rate=5e-4)),
    Case("motion, learning rate 1e-2", "motion", tuning=PLAIN._replace(learning_rate=1e-2)),
    Case("motion, dropout 0.1", "motion", tuning=PLAIN._replace(dropout=0.1)),
    Case("motion, weight decay 0.1", "motion", tuning=PLAIN._replace(weight_decay=0.1)),
    Case("motion, warm-up", "motion", warmup=10),
    Case("motion about the video's mean", "mean_x1"),
    Case("motion about the video's mean, 5 times as far", "mean_x5"),
    Case("motion about the video's mean, 15 times as far", "mean_x15"),
    Case("steps between frames", "steps"),
)


class Score(NamedTuple):
    """How a training went.

    Attributes:
        correct: videos of unseen subjects that it told rightly.
        videos: all of them.
        auc: over these.
        train: accuracy on training videos, in evaluation.
        batch: the same where the norms take the batch's statistics, as in training.
        losses: of the epochs, mean over the folds.
        steps: that a fold took.
        seconds: of the processor's time, with compilation.
    """

    correct: int
    videos: int
    auc: float
    train: float
    batch: float
    losses: list[float]
    steps: int
    seconds: float


def smiles(videos: int, subjects: int, *, seed: int = 0) -> list[Sample]:
    """Returns smiles whose classes differ in the tempo of the mouth alone; heads move, and people differ.

    Args:
        videos: as many as of both classes together.
        subjects: at most so many people.
        seed: determines everything.
    """
    plain = synthetic.generate(videos, subjects, seed=seed, frames=FRAMES, fps=(FPS,), difference=0)
    return [_with_tempo(sample, np.random.default_rng([seed, number])) for number, sample in enumerate(plain)]


def _with_tempo(sample: Sample, rng: np.random.Generator) -> Sample:
    seconds = np.arange(len(sample.landmarks)) / sample.fps
    way = SWING * np.sin(2 * np.pi * (TEMPO[sample.label or 0] * seconds + rng.uniform()))
    field = sum(bump(neutral_face(), point, (0, 1, 0), radius=0.15) for point in MOUTH)
    landmarks = sample.landmarks + way[:, None, None] * np.minimum(field, 1)
    return dataclasses.replace(sample, landmarks=landmarks.astype(np.float32), chip_source=None)


def view(sample: Sample, name: str) -> Float[np.ndarray, "frames 478 3"]:
    """Returns the landmarks as a training sees them: in coordinates of `coordinates.NAMES`, or changed.

    Raises:
        ValueError: there is no such view.
    """
    if name in coordinates.NAMES:
        return coordinates.read(sample, name)
    image, face = scale(sample.landmarks), coordinates.read(sample, "face")
    rest = coordinates.rest()
    motion = face - face.mean(axis=0)
    views = {
        "image_motion_x5": rest + 5 * (image - image.mean(axis=0)),
        "centred": motion,
        "face_x5": face.mean(axis=0) + 5 * motion,
        "mean_x1": rest + motion,
        "mean_x5": rest + 5 * motion,
        "mean_x15": rest + 15 * motion,
        "steps": rest + 5 * np.diff(face, axis=0, prepend=face[:1]),
    }
    if name not in views:
        raise ValueError(f"unknown view {name!r}; known: {', '.join([*coordinates.NAMES, *views])}.")
    return views[name].astype(np.float32)


def with_copies(samples: Sequence[Sample], copies: str) -> list[Sample]:
    """Returns the samples, and after them mirrored or shifted copies of all of them."""
    if not copies:
        return list(samples)
    if copies == "mirrored":
        return [*samples, *(mirror(sample) for sample in samples)]
    rng = np.random.default_rng(0)
    return [*samples, *(_shifted(sample, rng) for sample in samples)]


def _shifted(sample: Sample, rng: np.random.Generator) -> Sample:
    way = rng.normal(0, (0.05, 0.1, 0.0), 3).astype(np.float32)
    return dataclasses.replace(sample, landmarks=sample.landmarks + way)


def read_inputs(model: DFuseSmileNet, samples: Sequence[Sample], name: str) -> Inputs:
    """Returns what the model sees of samples in a view of this name."""
    length = videos.count_frames(samples)
    selected = (np.asarray(model.select(view(sample, name))) for sample in samples)
    points = end_to_end(selected, frames=int(length.sum()), dtype=np.float32)
    return videos.lay_out(samples, length, per_frame=dfusesmilenet.per_frame(model, points))


def run(case: Case, model: DFuseSmileNet, samples: Sequence[Sample], *, epochs: int, seed: int = 0) -> Score:
    """Trains the encoder on each half of the subjects, and scores it on the other."""
    begin = time.process_time()
    count = len(samples)
    labels = np.array([sample.label for sample in samples])
    folds = make_folds(labels.tolist(), [sample.subject or "" for sample in samples], FOLDS, seed=seed)
    inputs = read_inputs(model, with_copies(samples, case.copies), case.view)
    copies = range(len(inputs.label) // count)
    replicas = [
        Replica(0, number, np.concatenate([fold.train + count * copy for copy in copies]), np.arange(0), fold.test)
        for number, fold in enumerate(folds)
    ]
    settings = Settings(
        epochs=round(epochs * case.longer),
        batch_size=case.batch_size,
        eval_windows=1,
        optimizer=Optimizer(warmup_epochs=case.warmup),
    )
    network = dfusesmilenet.Network(model).suited_to(jax.default_backend(), 1)
    states, history = train.train(network, inputs, replicas, case.tuning._replace(seed=seed), settings)
    fitted = cast(State, states)  # without checkpoints they are returned
    running, batch = (evaluate(network, settings, fitted, inputs, count, norms) for norms in ("running", "batch"))
    unseen = np.array([next(n for n, fold in enumerate(folds) if video in fold.test) for video in range(count)])
    probability = running[unseen, np.arange(count)]
    return Score(
        correct=int(((probability >= 0.5) == labels).sum()),
        videos=count,
        auc=float(roc_auc_score(labels, probability)),
        train=_accuracy(running[1 - unseen, np.arange(count)], labels),
        batch=_accuracy(batch[unseen, np.arange(count)], labels),
        losses=[float(loss) for loss in history.losses.mean(axis=1)],
        steps=settings.epochs * (len(replicas[0].train) // settings.batch_size),
        seconds=time.process_time() - begin,
    )


def evaluate(
    network: dfusesmilenet.Network, settings: Settings, states: State, inputs: Inputs, count: int, norms: str
) -> Float[np.ndarray, "replicas videos"]:
    """Returns the mean probability of WINDOWS random clips of each of the first videos, by each replica.

    Args:
        network: that was trained.
        settings: of the training.
        states: [replicas, ...].
        inputs: videos.
        count: how many of them.
        norms: which statistics they take, "running" or those of the "batch".
    """

    @jax.jit
    def probabilities(variables, clip):
        if norms == "running":
            outputs = network.apply(variables, clip, {})
        else:
            outputs, _ = network.apply(variables, clip, {}, train=True, mutable=["batch_stats"])
        return jax.nn.sigmoid(outputs.logits)

    first, length = np.asarray(inputs.first), np.asarray(inputs.length)
    rng = np.random.default_rng(0)
    total = np.zeros((len(jax.tree.leaves(states)[0]), count))
    for _ in range(WINDOWS):
        start = first[:count] + rng.integers(0, length[:count] - settings.clip_frames + 1)
        frames = start[:, None] + np.arange(settings.clip_frames)
        order = np.resize(rng.permutation(count), -(-count // settings.batch_size) * settings.batch_size)
        for batch in order.reshape(-1, settings.batch_size):
            clip = jax.tree.map(lambda x, index=frames[batch]: x[index], inputs.per_frame)
            for number, values in enumerate(total):
                state = jax.tree.map(lambda x, number=number: x[number], states)
                values[batch] = values[batch] + np.asarray(probabilities(state.variables(), clip))
    return total / WINDOWS


def _accuracy(probability: np.ndarray, labels: np.ndarray) -> float:
    return float(((probability >= 0.5) == labels).mean())


def line(name: str, score: Score) -> str:
    """Returns a row of the table, Markdown."""
    low, high = binomtest(score.correct, score.videos).proportion_ci(method="wilson")
    right = f"{score.correct / score.videos:.1%} ({low:.0%} to {high:.0%})"
    rest = f"{score.auc:.2f} | {score.train:.1%} | {score.batch:.1%} | {score.losses[-1]:.2f}"
    return f"| {name} | {score.steps} | {right} | {rest} | {score.seconds:.0f} s |"


def main(argv: Sequence[str] | None = None) -> dict:
    """Prints the table row by row, writes the numbers as JSON, and returns them."""
    parser = argparse.ArgumentParser(
        description="What the encoder takes to learn a motion.", prog="python -m dfuse_jax.bench.encoder_study"
    )
    parser.add_argument("--case", action="append", help="a row, by its name; may be given several times; default: all")
    parser.add_argument("--videos", type=int, default=240, help="half of each class")
    parser.add_argument("--epochs", type=int, default=30, help="of a training; of 240 videos, 7 steps each")
    parser.add_argument("--points", type=int, default=48, help="landmarks of a frame")
    parser.add_argument("--neighbours", type=int, default=6, help="of a landmark")
    parser.add_argument("--curves", type=int, default=8, help="walked in a block")
    parser.add_argument("--seed", type=int, default=0, help="of smiles, folds and training")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("encoder_study.json"), help="file of numbers")
    options = parser.parse_args(argv)
    known = {case.name: case for case in CASES}
    if unknown := [name for name in options.case or () if name not in known]:
        parser.error(f"no row {unknown[0]!r}; known: {'; '.join(known)}")
    model = DFuseSmileNet(
        fusion="none",
        points=options.points,
        neighbours=options.neighbours,
        entry=16,
        blocks=((16, 2), (32, 2)),
        curves=options.curves,
        steps=2,
        tokens=4,
        depth=2,
        time_depth=2,
        heads=2,
        head_width=16,
        mlp=64,
    )
    samples = smiles(options.videos, options.videos // 2, seed=options.seed)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
    results = {}
    for name in options.case or known:
        score = run(known[name], model, samples, epochs=options.epochs, seed=options.seed)
        print(line(name, score), flush=True)
        results[name] = score._asdict()
        with atomic(options.json) as file:
            json.dump({"options": {**vars(options), "json": str(options.json)}, "results": results}, file, indent=1)
    return results


if __name__ == "__main__":
    main(sys.argv[1:])
