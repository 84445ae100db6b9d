"""One face as a stream: landmarks of pictures and their times in, signals, provisional phases and finished smiles out.

Signals and smiles are those that `analyse` finds in a recording of the same frames. Times are the camera's own, in
seconds, so that the frame rate may vary.
"""

import collections
import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import dmarkers
from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.dmarkers import SmileMoment, SmileRules, SmileState
from dfuse_jax.extract import flags, gaps
from dfuse_jax.samples import Sample

MARGIN = 1.0  # seconds before a smile that its features and a network see, as in `analyse`
# Seconds after a smile that they see, where `analyse` takes MARGIN. A smile is known to have ended half a second after
# its end, and the verdict has to come within one: it is computed from here on, and dropped if the lips rise again.
AFTER = 0.25
KEPT = 64.0  # seconds of frames that are kept: no smile is longer, see `SmileRules.memory`
CONTEXT = 20.0  # seconds before a smile with whose pictures those of the smile are compared, to flag them
MOST_FRAMES = 4096  # that are kept, whatever their rate
RISING, RECENT = 1.1, 0.2  # a rise goes on while its greatest height grows by a tenth in a fifth of a second
HELD = 0.75  # share of its greatest height above which a smile is at its apex
STEPS = 15  # between frames, of which the usual one is the median
POINTS = np.array(dmarkers.LANDMARKS)
NOWHERE = np.full((len(POINTS), 3), np.nan, np.float32)
LIP = dmarkers.REGIONS.index("lip")
NOBODY, REST, ONSET, APEX, OFFSET = "no face", "rest", "onset", "apex", "offset"
RULES = SmileRules()


@dataclasses.dataclass(frozen=True)
class Frame:
    """What is known of a picture.

    Attributes:
        time: of the camera, in seconds.
        landmarks: of the face; None where there is none.
        look: of the face, see `flags`.
        change: mean absolute difference from the picture before, in grey levels; NaN for the first one.
        interpolated: whether the landmarks are made up from those of the frames around.
    """

    time: float
    landmarks: Float[np.ndarray, "478 3"] | None
    look: flags.Look = flags.NO_LOOK
    change: float = math.nan
    interpolated: bool = False


@dataclasses.dataclass(frozen=True)
class Smile:
    """A smile and the frames that it is judged by.

    Attributes:
        number: of the session's smiles, from 1.
        begin: time of its begin.
        apex: time of its highest frame.
        end: time of its end.
        amplitude: greatest height of the lip signal above rest, in D_lip.
        height: the same in standard deviations.
        frames: of the smile, with margins, and those before it that their pictures are compared with.
        first: which of the frames its sample begins with.
        image_size: (width, height) in pixels.
    """

    number: int
    begin: float
    apex: float
    end: float
    amplitude: float
    height: float
    frames: tuple[Frame, ...]
    first: int
    image_size: tuple[int, int]


class Moment(NamedTuple):
    """What a frame shows.

    Attributes:
        time: of the frame.
        phase: NOBODY, REST, ONSET, APEX or OFFSET; provisional, as phases are known only when a smile has ended.
        signals: [3], in the order of `dmarkers.REGIONS`; NaN without a face.
        baseline: D_lip at rest; NaN before the first face.
        ahead: a smile that seems to have ended, so that it may be judged ahead; it may go on.
        withdrawn: whether the smile that was `ahead` goes on.
        complete: a smile that has ended: the one that was `ahead`, if there was one.
    """

    time: float
    phase: str
    signals: Float[np.ndarray, "3"]
    baseline: float
    ahead: Smile | None = None
    withdrawn: bool = False
    complete: Smile | None = None


class Session:
    """The stream of one face.

    Args:
        image_size: (width, height) of the pictures in pixels.
        rules: what counts as a smile.
    """

    def __init__(self, image_size: tuple[int, int], *, rules: SmileRules = RULES):
        self.image_size = image_size
        self._rules = rules
        self._state = dmarkers.smile_start(rules)
        self._reference: np.ndarray | None = None  # Table 1's points of the first face, which signals refer to
        self._frames: collections.deque[Frame] = collections.deque(maxlen=MOST_FRAMES)
        self._waiting: list[Frame] = []  # the first face, or frames without one until it is known what comes after
        self._last_seen = self._origin = -math.inf
        self._peaks: collections.deque[tuple[float, float]] = collections.deque()
        self._ahead: Smile | None = None
        self._last_end = -math.inf
        self._count = 0

    def step(self, frame: Frame) -> list[Moment]:
        """Reads the next frame.

        Returns:
            What the frames show, in their order. A frame without a face is held back for as long as the face may come
            back and its landmarks be interpolated, so that there may be no moment, or several.

        Raises:
            ValueError: its time is not after that of the frame before.
        """
        last = self._waiting[-1] if self._waiting else self._frames[-1] if self._frames else None
        if last is not None and not frame.time > last.time:
            raise ValueError(f"the time {frame.time:g} is not after {last.time:g}, that of the frame before.")
        if self._reference is None:
            return self._begin(frame)
        assert last is not None
        usual = self._usual_step(frame.time)
        longest = gaps.max_gap(1 / usual)
        bridged = frame.time - self._last_seen <= longest
        if frame.landmarks is None:
            self._waiting.append(frame)
            return [] if bridged else self._advance(self._take_waiting())
        waiting = self._take_waiting()
        before = [one for one in waiting if one.landmarks is not None]
        lost = [one for one in waiting if one.landmarks is None]
        if bridged:
            lost = [self._between(one.time, before[-1] if before else self._frames[-1], frame) for one in lost]
        elif (pause := frame.time - last.time) > longest:  # nobody knows what the face did
            lost.append(Frame(frame.time - min(usual, pause / 2), None))
        self._last_seen = frame.time
        return self._advance([*before, *lost, frame])

    def _begin(self, frame: Frame) -> list[Moment]:
        """Reads a frame before which there is no face."""
        if frame.landmarks is None:
            return [Moment(frame.time, NOBODY, np.full(len(dmarkers.REGIONS), np.nan), math.nan)]
        self._reference = frame.landmarks[POINTS]
        self._last_seen = self._origin = frame.time
        self._waiting = [frame]  # how long it lasts is known when the next one comes
        return []

    def _take_waiting(self) -> list[Frame]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _between(self, time: float, before: Frame, after: Frame) -> Frame:
        """Returns a frame whose landmarks are interpolated."""
        assert before.landmarks is not None and after.landmarks is not None
        share = np.float32((time - before.time) / (after.time - before.time))
        landmarks = before.landmarks + share * (after.landmarks - before.landmarks)
        return Frame(time, landmarks, interpolated=True)

    def _usual_step(self, now: float) -> float:
        """Returns how many seconds mostly lie between two frames."""
        count = min(STEPS, len(self._frames))
        times = [self._frames[k - count].time for k in range(count)] + [one.time for one in self._waiting] + [now]
        return float(np.median(np.diff(times)))

    def _advance(self, frames: Sequence[Frame]) -> list[Moment]:
        """Reads frames whose landmarks are final."""
        # The first face waits for the next frame, to last as long as that one.
        before = self._frames[-1].time if self._frames else 2 * frames[0].time - frames[1].time
        seconds = np.diff([before, *(frame.time for frame in frames)])
        return [self._advance_one(frame, step) for frame, step in zip(frames, seconds.tolist(), strict=True)]

    def _advance_one(self, frame: Frame, seconds: float) -> Moment:
        assert self._reference is not None
        self._frames.append(frame)
        while frame.time - self._frames[0].time > KEPT:
            self._frames.popleft()
        points = NOWHERE if frame.landmarks is None else frame.landmarks[POINTS]
        width, height = self.image_size
        both = np.stack([self._reference, points])
        self._state, *shown = _step(self._state, both, np.float32(height / width), np.float32(seconds), self._rules)
        signals, found, ages = jax.device_get(shown)
        withdrawn = self._ahead is not None and math.isnan(ages.end) and not found.complete
        if withdrawn:
            self._ahead = None
        ahead = complete = None
        if found.complete:
            complete = self._ahead or self._cut(frame.time, found)
            self._ahead, self._last_end, self._count = None, complete.end, complete.number
        elif self._ahead is None and ages.complete and (ages.end >= AFTER or frame.landmarks is None):
            self._ahead = ahead = self._cut(frame.time, ages)
        phase = self._phase(frame, ages)
        return Moment(frame.time, phase, signals, float(found.baseline), ahead, withdrawn, complete)

    def _phase(self, frame: Frame, ages: "_Rise") -> str:
        """Returns the provisional phase."""
        if frame.landmarks is None:
            return NOBODY
        if math.isnan(ages.begin):
            self._peaks.clear()
            return REST
        self._peaks.append((frame.time, float(ages.peak)))
        while frame.time - self._peaks[0][0] > RECENT:
            self._peaks.popleft()
        if ages.peak > RISING * self._peaks[0][1] or len(self._peaks) == 1:
            return ONSET
        return APEX if ages.height >= HELD * ages.peak else OFFSET

    def _cut(self, now: float, ages: Any) -> Smile:
        """Returns the smile of these ages with its frames."""
        begin, apex, end = (now - float(age) for age in (ages.begin, ages.apex, ages.end))
        frames = [frame for frame in self._frames if begin - CONTEXT <= frame.time <= end + AFTER]
        first = len(frames)
        earliest = max(begin - MARGIN, self._last_end)
        while first > 0:
            frame = frames[first - 1]
            if frame.time < begin and (frame.time < earliest or frame.landmarks is None):
                break
            first -= 1
        last = len(frames)
        while last > first + 1 and frames[last - 1].landmarks is None:
            last -= 1
        frames = frames[:last]
        return Smile(
            number=self._count + 1,
            begin=max(begin, self._origin),  # smoothing takes a rise within the first frames for an earlier one
            apex=max(apex, self._origin),
            end=end,
            amplitude=float(ages.amplitude),
            height=float(ages.peak),
            frames=tuple(frames),
            first=first,
            image_size=self.image_size,
        )


class _Rise(NamedTuple):
    """A rise under way; ages in seconds, as in `SmileState`.

    Attributes:
        height: of the last frame with a face, in standard deviations.
        complete: whether it is a smile, if it has ended.
    """

    begin: Any
    apex: Any
    end: Any
    peak: Any
    amplitude: Any
    height: Any
    complete: Any


@functools.partial(jax.jit, static_argnums=4)
def _step(
    state: SmileState, both: Float[Array, "2 11 3"], aspect: Array, seconds: Array, rules: SmileRules
) -> tuple[SmileState, Float[Array, "3"], SmileMoment, _Rise]:
    """Reads the points of a frame, after those of the first one."""
    signals = dmarkers.signals(both, aspect=aspect, definition="robust").mean[:, 1]
    state, moment = dmarkers.smile_step(state, signals[LIP], seconds, rules=rules)
    complete = (state.peak >= rules.enter) & (state.begin - state.end >= rules.least_duration)
    rise = _Rise(state.begin, state.apex, state.end, state.peak, state.amplitude, state.height, complete)
    return state, signals, moment, rise


def to_sample(smile: Smile) -> Sample:
    """Returns the sample of a smile: its frames and the margins around, on an even grid."""
    times = np.array([frame.time for frame in smile.frames])
    landmarks = np.full((len(times), NUM_LANDMARKS, 3), np.nan, np.float32)
    for row, frame in zip(landmarks, smile.frames, strict=True):
        if frame.landmarks is not None and not frame.interpolated:
            row[:] = frame.landmarks
    changes = np.array([frame.change for frame in smile.frames])
    bits = flags.find(
        landmarks,
        [frame.look for frame in smile.frames],
        changes=changes,
        repeated=gaps.find_repeated(changes),
        image_size=smile.image_size,
    )
    fps, positions = _put_on_grid(times[smile.first :])
    filled, _ = gaps.fill(landmarks[smile.first :], positions)
    # A frame of the grid is not made up because the camera's frames came unevenly, only where they showed no face.
    shown = ~np.isnan(landmarks[smile.first :, 0, 0])
    nearest = gaps.nearest(positions, len(filled))
    return Sample(
        name=f"smile {smile.number}",
        landmarks=filled,
        fps=fps,
        image_size=smile.image_size,
        interpolated=tuple(np.flatnonzero(~shown[nearest]).tolist()),
        flags=flags.follow(bits[smile.first :], positions, len(filled)),
    )


def _put_on_grid(times: Float[np.ndarray, " frames"]) -> tuple[float, Float[np.ndarray, " frames"]]:
    """Returns the frame rate of an even grid, and where on it the frames are.

    Where frames come as it happens, their mean rate is taken, not that of the quickest as in files, which have lost
    some of an even sequence.
    """
    rhythm = gaps.find_rhythm(times, ())
    if rhythm.even:
        return rhythm.fps, rhythm.positions
    fps = (len(times) - 1) / (times[-1] - times[0])
    return float(fps), (times - times[0]) * fps


def prepare() -> None:
    """Compiles what a session needs."""
    session = Session((640, 360))
    face = np.random.default_rng(0).uniform(0.3, 0.7, (NUM_LANDMARKS, 3)).astype(np.float32)
    for number in range(3):
        session.step(Frame(number / gaps.ASSUMED_FPS, face))
