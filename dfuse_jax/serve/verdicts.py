"""Smiles to verdicts, in a process of their own: while a model computes, every viewer's pictures go on.

There is one such process, and it takes one smile after the other. It uses half of the cores, two at least, and gives
way to the trackers.
"""

import asyncio
import concurrent.futures
import dataclasses
import os
import pathlib
import shutil
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dfuse_jax.extract import flags
from dfuse_jax.extract.on_cores import cores
from dfuse_jax.runtime import children, compilation
from dfuse_jax.runtime.children import Child
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.serve.session import Smile, to_sample

if TYPE_CHECKING:
    from dfuse_jax.experiments.predict import Trained
    from dfuse_jax.serve.quick import Answer

GIVES_WAY = 5  # added to the niceness
LENGTHS = (48, 150)  # frames of smiles for which everything is compiled: those that D-Markers pad differently
PATIENCE = 120.0  # seconds for a verdict
PHASES = ("onset", "apex", "offset")


class JudgeError(Exception):
    """The process that judges has died or does not answer."""


class Model(NamedTuple):
    """What the page and the API say of the models that judge.

    Attributes:
        name: of their run.
        note: what must be known of the run.
        models: how many are asked.
        synthetic: whether they have only seen synthetic smiles.
        card: Markdown.
        seconds: that a verdict took when everything was compiled.
    """

    name: str
    note: str
    models: int
    synthetic: bool
    card: str
    seconds: float


class Verdict(NamedTuple):
    """What is said of a smile that has ended.

    Attributes:
        phases: {onset, apex, offset: its begin and its end in seconds of the camera}, those that exist.
        probabilities: that it is spontaneous, by each model; none where it was not judged.
        effects: what the D-Markers did to it, see `quick.Answer`.
        reason: why it was not judged; empty where it was.
        cautions: why to be careful with the number, in words that follow "caution: ".
        notes: what a user should know, whole sentences.
        frames: of its sample.
        fps: of its sample.
    """

    phases: dict[str, tuple[float, float]]
    probabilities: list[float]
    effects: dict[tuple[str, str], float]
    reason: str
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    frames: int
    fps: float


class Judge:
    """The process that judges.

    Args:
        checkpoint: folder of a finished run, or an exported model.
        models: how many of its models are asked; None: all.
        temporary: a folder that the process removes when this one has ended, however that ends.
    """

    def __init__(self, checkpoint: str, models: int | None, temporary: str):
        self._arguments = (checkpoint, models, temporary)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "judge")
        self._child: Child | None = None

    async def start(self) -> Model:
        """Loads the models and compiles; raises UserError if they cannot be loaded."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._start)

    async def verdict(self, smile: Smile) -> Verdict:
        """Judges a smile; raises JudgeError if the process has died, and starts another one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, smile)

    def _start(self) -> Model:
        self._child = Child(__name__, "serve", *self._arguments)
        try:
            answer = self._child.connection.recv()
        except (EOFError, OSError) as error:
            raise JudgeError(self._child.cause_of_death()) from error
        if isinstance(answer, UserError):
            raise answer
        return answer

    def _exchange(self, smile: Smile) -> Verdict:
        assert self._child is not None
        try:
            self._child.connection.send(smile)
            if not self._child.connection.poll(PATIENCE):
                raise JudgeError("it does not answer")
            answer = self._child.connection.recv()
        except (EOFError, OSError, JudgeError) as error:
            self._child.end()
            self._start()
            raise JudgeError("the process that judges died") from error
        if isinstance(answer, Exception):
            raise JudgeError(str(answer)) from answer
        return answer

    def end(self) -> None:
        """Ends the process."""
        if self._child is not None:
            self._child.process.kill()
        self._thread.shutdown(wait=False, cancel_futures=True)


def serve(connection: Connection, checkpoint: str, models: int | None, temporary: str) -> None:
    """Runs in the other process: sends Model or a UserError, then answers requests."""
    children.at_parents_end(lambda: shutil.rmtree(temporary, ignore_errors=True))
    _give_way()
    compilation.keep()
    from dfuse_jax.experiments import predict
    from dfuse_jax.serve import quick

    try:
        trained = predict.load(pathlib.Path(checkpoint))
        trained = trained if models is None else trained.some(models)
    except UserError as error:
        connection.send(error)
        return
    ask = quick.prepare(trained)
    seconds = _warm_up(ask)
    connection.send(
        Model(
            name=trained.name,
            note=trained.note,
            models=len(trained.models),
            synthetic=trained.config["data"]["source"] == "synthetic",
            card=trained.card,
            seconds=seconds,
        )
    )
    while True:
        smile = connection.recv()
        try:
            answer: Any = judge(trained, ask, smile)
        except Exception as error:  # one smile's failure must not stop the others
            answer = RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(answer)


def _give_way() -> None:
    os.nice(GIVES_WAY)
    if hasattr(os, "sched_setaffinity") and cores() > 2:  # XLA starts as many threads as it may use cores
        chosen = sorted(os.sched_getaffinity(0))[-max(2, cores() // 2) :]
        os.sched_setaffinity(0, chosen)


def _warm_up(ask: Callable[[Sample], "Answer"]) -> float:
    """Compiles for smiles of all lengths; returns the seconds that one more verdict takes."""
    from dfuse_jax.data import synthetic

    sample = synthetic.generate(1, 1, seed=0)[0]
    seconds = 0.0
    for frames in (*LENGTHS, LENGTHS[-1]):
        landmarks = np.resize(sample.landmarks, (frames, *sample.landmarks.shape[1:]))
        resized = dataclasses.replace(sample, landmarks=landmarks, flags=None, interpolated=(), chip_source=None)
        start = time.perf_counter()
        _find_phases(resized, 0.0)
        ask(resized)
        seconds = time.perf_counter() - start
    return seconds


def judge(trained: "Trained", ask: Callable[[Sample], "Answer"], smile: Smile) -> Verdict:
    """Returns the verdict on a smile, as `Trained.judge` does."""
    sample = to_sample(smile)
    reason = flags.refusal(sample)
    answer = ask(sample) if reason is None else None
    return Verdict(
        phases=_find_phases(sample, smile.frames[smile.first].time),
        probabilities=[] if answer is None else answer.probabilities.tolist(),
        effects={} if answer is None else answer.effects,
        reason=reason or "",
        cautions=trained.cautions(sample) if reason is None else (),
        notes=tuple(flags.notes(sample.flags)),
        frames=len(sample.landmarks),
        fps=sample.fps,
    )


def _find_phases(sample: Sample, start: float) -> dict[str, tuple[float, float]]:
    """Returns the phases of a sample that begins at the time `start`, which are those of `analyse`."""
    from dfuse_jax.experiments import analyse

    seconds = start + analyse.phase_ends(sample).astype(float) / sample.fps
    return {phase: (a, b) for phase, (a, b) in zip(PHASES, seconds.tolist(), strict=True) if np.isfinite([a, b]).all()}
