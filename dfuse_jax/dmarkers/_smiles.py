"""Smiles in a recording of any length: where the lip corners stand far above where they rest.

The lip signal is read frame by frame and the past is summed up in a state of fixed size, so that a live stream and a
whole recording give the same smiles. What is rest follows the face: posture, distance and the way a person holds the
mouth change within minutes.
"""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.dmarkers._checks import put_number
from dfuse_jax.dmarkers._pose import positive, ratio

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Bool, Float


class SmileRules(NamedTuple):
    """What counts as a smile: times in seconds, heights in standard deviations of the lips at rest.

    Rest is a quantile of the last `memory` seconds, of which smiles do not count, and the standard deviation is that of
    a normal distribution with the same quantiles `rest` and `low`: both look at the lower part of the signal, which
    smiles and most talk leave alone.

    Attributes:
        memory: how far rest looks back. A smile that lasts longer becomes the new rest.
        block: the signal is averaged over so long for that.
        rest: quantile of the blocks that is the baseline.
        low: quantile below it that gives the standard deviation.
        least_deviation: of D_lip (widths of the mouth at rest): the standard deviation is never taken to be less.
        most_deviation: nor to be more, so that a restless mouth hides no smile.
        smoothing: time constant of each of two exponential averages; the delay that they cause is taken out.
        enter: height above the baseline that a smile reaches.
        leave: height at which it begins, and ends at the latest.
        fall: share of its greatest height at which it ends at the latest.
        gap: a smile that falls below these for no longer than this goes on; so it does while the face is lost.
        least_duration: what is shorter is no smile.
        settle: so long does the face rest after a smile that the recording began with, before that smile is told.
        opening: such a smile lasts no longer. With nothing before it, it may as well be lips that are pursed later.
    """

    memory: float = 60.0
    block: float = 0.2
    rest: float = 0.25
    low: float = 0.05
    least_deviation: float = 0.014
    most_deviation: float = 0.02
    smoothing: float = 0.05
    enter: float = 6.0
    leave: float = 2.5
    fall: float = 0.35
    gap: float = 0.4
    least_duration: float = 0.5
    settle: float = 0.6
    opening: float = 10.0


class SmileState(NamedTuple):
    """What `smile_step` has to know of the frames before. Ages are in seconds before the last frame, NaN: none.

    Attributes:
        blocks: averages of the last `memory` seconds, in a ring; NaN where there is none, or a smile.
        place: of the next block in the ring.
        total: of the values in the block that is not full yet.
        count: how many values these are.
        elapsed: seconds since that block began.
        baseline: D_lip at rest.
        deviation: standard deviation of D_lip at rest.
        first: average of the signal.
        second: average of `first`.
        height: of the frame before, in standard deviations.
        begin: age of the begin of the rise under way.
        apex: age of its highest frame.
        end: age of where it fell below its lower level; NaN while it is above.
        peak: its greatest height so far, in standard deviations.
        amplitude: the same in D_lip.
        start_cut: whether the rise under way was there when the face came into view.
        end_cut: whether it fell because the face was lost.
        lost: whether the frame before had no face.
        shown: age of the first frame with a face.
        opening: whether the recording may have begun with a smile, which nothing tells before the face rests.
        floor: where the lips stay since a smile, in standard deviations above rest; 0 once they have come to rest.
            Heights are measured from there.
    """

    blocks: Float[Array, " blocks"]
    place: Array
    total: Array
    count: Array
    elapsed: Array
    baseline: Array
    deviation: Array
    first: Array
    second: Array
    height: Array
    begin: Array
    apex: Array
    end: Array
    peak: Array
    amplitude: Array
    start_cut: Array
    end_cut: Array
    lost: Array
    shown: Array
    opening: Array
    floor: Array


class SmileMoment(NamedTuple):
    """What is known when a frame has been read; of `find_smiles`, [T] each and positions in frames from the first.

    Attributes:
        smiling: whether a smile is under way that has reached its least height.
        baseline: D_lip at rest.
        deviation: standard deviation of D_lip at rest.
        complete: whether a smile is known to have ended, at most a second after its end; the rest describes it.
        begin: age of its begin in seconds; of `find_smiles`, its frame.
        apex: likewise of its highest frame.
        end: likewise of its end.
        amplitude: its greatest height above the baseline, in D_lip.
        peak: the same in standard deviations.
        start_cut: whether its true begin was not seen: it was there when the face came into view.
        end_cut: whether its true end was not seen: the face was lost, or the recording ended.
    """

    smiling: Bool[Array, " *frames"]
    baseline: Float[Array, " *frames"]
    deviation: Float[Array, " *frames"]
    complete: Bool[Array, " *frames"]
    begin: Float[Array, " *frames"]
    apex: Float[Array, " *frames"]
    end: Float[Array, " *frames"]
    amplitude: Float[Array, " *frames"]
    peak: Float[Array, " *frames"]
    start_cut: Bool[Array, " *frames"]
    end_cut: Bool[Array, " *frames"]


def find_smiles(
    lip: Float[ArrayLike, " frames"],
    fps: ArrayLike,
    *,
    length: ArrayLike | None = None,
    rules: SmileRules = SmileRules(),  # noqa: B008 - a tuple of numbers, which nobody can change
) -> SmileMoment:
    """Finds the smiles of a recording, as `smile_step` does of a stream.

    A smile is a stretch above `rules.leave` and `rules.fall` that reaches `rules.enter`. Where the lips have not come
    to rest since a smile, heights count from where they stayed. Its begin and end depend on
    the last `rules.memory` seconds and on less than a second ahead. A smile that the recording begins or ends with
    begins or ends there, which `start_cut` and `end_cut` tell. One that it begins with is told when the face has rested
    for `rules.settle` after it, if it lasted no longer than `rules.opening` and no other smile rose out of it.

    Args:
        lip: [T], D_lip: `signals(..., definition="robust").mean[2]`; NaN where there is no face.
        fps: frames per second.
        length: the first `length` frames count (default: all T).
        rules: what counts as a smile.

    Returns:
        [T] each. Frames with `complete` have one smile each, whose begin, apex and end are in frames and fractions of
        a frame from the first; `np.flatnonzero(found.complete)` are these frames. The others hold NaN there.

    Raises:
        ValueError: for a wrong shape, or rules that contradict each other.
    """
    check_rules(rules)
    lip = jnp.asarray(lip)
    if lip.ndim != 1 or lip.shape[0] == 0:
        raise ValueError(f"the lip signal has shape {lip.shape}, expected [T] with T >= 1.")
    length = put_number("length", len(lip) if length is None else length)
    return _compiled_find(lip, put_number("fps", fps), length, rules=rules)


def smile_start(rules: SmileRules = SmileRules()) -> SmileState:  # noqa: B008
    """Returns the state before the first frame of a stream; raises ValueError for rules that contradict each other."""
    check_rules(rules)
    nan, zero = jnp.array(jnp.nan), jnp.array(0.0)
    return SmileState(
        blocks=jnp.full(round(rules.memory / rules.block), jnp.nan),
        place=jnp.array(0),
        total=zero,
        count=zero,
        elapsed=zero,
        baseline=nan,
        deviation=jnp.array(rules.least_deviation),
        first=nan,
        second=nan,
        height=zero,
        begin=nan,
        apex=nan,
        end=nan,
        peak=zero,
        amplitude=zero,
        start_cut=jnp.array(False),
        end_cut=jnp.array(False),
        lost=jnp.array(True),
        shown=nan,
        opening=jnp.array(True),
        floor=zero,
    )


def smile_step(
    state: SmileState,
    lip: Array | float,
    seconds: Array | float,
    *,
    rules: SmileRules = SmileRules(),  # noqa: B008
) -> tuple[SmileState, SmileMoment]:
    """Reads the next frame of a stream.

    Args:
        state: of `smile_start` or the step before, with the same rules.
        lip: D_lip of the frame; NaN where there is no face.
        seconds: since the frame before (of the first one: any frame's duration).
        rules: what counts as a smile.
    """
    seen = jnp.isfinite(lip)
    state, full = _remember(state, jnp.where(seen, lip, 0), seen, seconds, rules)
    share = 1 - jnp.exp(-seconds / rules.smoothing)
    first = jnp.where(jnp.isnan(state.first), lip, state.first + share * (lip - state.first))
    second = jnp.where(jnp.isnan(state.second), first, state.second + share * (first - state.second))
    delay = 2 * seconds * ratio(1 - share, share)  # of a ramp, exactly
    above = jnp.where(seen, (second - state.baseline) / state.deviation, -jnp.inf)
    # Lips that have not come to rest since a smile smile anew only when they rise from where they stayed.
    sunk = jnp.where(above < rules.leave, 0, jnp.minimum(state.floor, above))
    floor = jnp.where(jnp.isnan(state.begin), sunk, state.floor)
    height = above - floor

    begin, apex, end = (age + seconds for age in (state.begin, state.apex, state.end))
    starts = jnp.isnan(begin) & (height >= rules.leave)
    start_cut = jnp.where(starts, state.lost, state.start_cut)
    back = _since_crossing(state.height, height, rules.leave) * seconds + delay
    begin = jnp.where(starts, back, begin)
    active = ~jnp.isnan(begin)
    rises = starts | (active & (height > state.peak))
    peak = jnp.where(rises, height, state.peak)
    amplitude = jnp.where(rises, second - state.baseline, state.amplitude)
    apex = jnp.where(rises, delay, apex)
    level = jnp.maximum(rules.leave, rules.fall * peak)
    below = active & (height < level)
    # The last frame with a face is where a smile ends that the face was lost in.
    fell = jnp.where(seen, _since_crossing(state.height, height, level) * seconds + delay, seconds)
    end_cut = jnp.where(jnp.isnan(end), ~seen, state.end_cut)
    end = jnp.where(below, jnp.where(jnp.isnan(end), fell, end), jnp.nan)
    over = below & (end - delay > rules.gap)
    reached = active & (peak >= rules.enter)
    complete = over & reached & (begin - end >= rules.least_duration)

    moment = _describe(
        complete,
        state,
        smiling=reached & ~over,
        begin=begin,
        apex=apex,
        end=end,
        amplitude=amplitude,
        peak=peak,
        start_cut=start_cut,
        end_cut=end_cut,
    )
    shown = jnp.where(jnp.isnan(state.shown) & seen, 0, state.shown + seconds)
    longest = rules.opening + rules.settle + rules.block
    following = state._replace(
        first=jnp.where(seen, first, state.first),
        second=jnp.where(seen, second, state.second),
        height=jnp.where(seen, height, state.height),
        begin=jnp.where(over, jnp.nan, begin),
        apex=jnp.where(over, jnp.nan, apex),
        end=jnp.where(over, jnp.nan, end),
        peak=jnp.where(over, 0, peak),
        amplitude=jnp.where(over, 0, amplitude),
        start_cut=start_cut,
        end_cut=end_cut,
        lost=~seen,
        shown=shown,
        floor=jnp.where(over & (above >= rules.leave), above, floor),
        opening=state.opening & ~complete & ~(shown > longest),  # a smile that rose from there shows that it was rest
    )
    resting = full & following.opening & jnp.isnan(following.begin)
    return lax.cond(resting, lambda: _tell_opening(following, moment, rules), lambda: (following, moment))


def check_rules(rules: SmileRules) -> None:
    """Raises ValueError if the rules contradict each other, or look further than a second ahead."""
    if not 0 < rules.low < rules.rest < 1:
        raise ValueError(f"rules: low={rules.low:g} and rest={rules.rest:g}; expected 0 < low < rest < 1.")
    if not 0 < rules.leave <= rules.enter:
        raise ValueError(f"rules: leave={rules.leave:g} and enter={rules.enter:g}; expected 0 < leave <= enter.")
    if not 0 < rules.block <= rules.memory:
        raise ValueError(f"rules: block={rules.block:g} and memory={rules.memory:g}; expected 0 < block <= memory.")
    if not rules.smoothing > 0:
        raise ValueError(f"rules: smoothing={rules.smoothing:g}; expected a positive number of seconds.")
    if not 0 < rules.least_deviation <= rules.most_deviation:
        raise ValueError(
            f"rules: least_deviation={rules.least_deviation:g} and most_deviation={rules.most_deviation:g}; expected "
            "0 < least_deviation <= most_deviation."
        )
    if not 0 < rules.settle <= 1 - rules.block:
        raise ValueError(
            f"rules: settle={rules.settle:g} and block={rules.block:g} s together make more than a second."
        )
    if not rules.opening + 1 < rules.memory:
        raise ValueError(
            f"rules: opening={rules.opening:g} and memory={rules.memory:g}; expected opening + 1 < memory."
        )
    if not 0 <= rules.gap + 2 * rules.smoothing < 1:
        raise ValueError(f"rules: gap={rules.gap:g} s and smoothing twice make a second or more, which is too late.")


@functools.partial(jax.jit, static_argnames="rules")
def _compiled_find(lip: Array, fps: Array, length: Array, *, rules: SmileRules) -> SmileMoment:
    lip = lip if jnp.issubdtype(lip.dtype, jnp.floating) else lip.astype(float)
    frame = jnp.arange(lip.shape[0])
    seconds = 1 / positive(fps, lip.dtype)
    start = jax.tree.map(lambda x: x.astype(lip.dtype) if x.dtype.kind == "f" else x, smile_start(rules))

    def step(state: SmileState, value: Array) -> tuple[SmileState, SmileMoment]:
        return smile_step(state, value, seconds, rules=rules)

    last, found = lax.scan(step, start, jnp.where(frame < length, lip, jnp.nan))
    found = jax.tree.map(
        lambda x, y: x.at[-1].set(jnp.where(found.complete[-1], x[-1], y)), found, _finish(last, rules)
    )
    now = frame.astype(lip.dtype)
    begin, apex, end = (now - age / seconds for age in (found.begin, found.apex, found.end))
    # Smoothing takes a rise within the first frames for one from before them.
    return found._replace(begin=jnp.maximum(begin, 0), apex=jnp.maximum(apex, 0), end=end)


def _finish(state: SmileState, rules: SmileRules) -> SmileMoment:
    """Returns the smile that is under way when a recording ends."""
    end = jnp.where(jnp.isnan(state.end), 0, state.end)
    reached = state.peak >= rules.enter
    return _describe(
        reached & (state.begin - end >= rules.least_duration),
        state,
        smiling=reached,
        begin=state.begin,
        apex=state.apex,
        end=end,
        amplitude=state.amplitude,
        peak=state.peak,
        start_cut=state.start_cut,
        end_cut=jnp.isnan(state.end) | state.end_cut,
    )


def _describe(
    complete: Array,
    state: SmileState,
    *,
    smiling: Array,
    begin: Array,
    apex: Array,
    end: Array,
    amplitude: Array,
    peak: Array,
    start_cut: Array,
    end_cut: Array,
) -> SmileMoment:
    """Returns a moment, which describes the smile only if it is complete."""

    def kept(x: Array) -> Array:
        return jnp.where(complete, x, jnp.nan)

    return SmileMoment(
        smiling=smiling,
        baseline=state.baseline,
        deviation=state.deviation,
        complete=complete,
        begin=kept(begin),
        apex=kept(apex),
        end=kept(end),
        amplitude=kept(amplitude),
        peak=kept(peak),
        start_cut=complete & start_cut,
        end_cut=complete & end_cut,
    )


def _tell_opening(state: SmileState, moment: SmileMoment, rules: SmileRules) -> tuple[SmileState, SmileMoment]:
    """Tells a smile that the recording began with, once the face has rested for `rules.settle`.

    Without rest before it, it is the median of the memory so far that has to stand above what is rest now, so that no
    pursing of the lips makes a smile of the rest before. Its memory is dropped, and rest begins anew.
    """
    blocks = state.blocks
    number = jnp.arange(len(blocks))
    count = round(rules.settle / rules.block)
    calm = (number >= state.place - count) & (number < state.place)
    before = (number < state.place - count) & jnp.isfinite(blocks)
    rest = jnp.where(calm, blocks, 0).sum() / count  # NaN where the face was lost, or where a smile is
    early = jnp.where(before, blocks, jnp.nan)
    top = jnp.nanmax(early)
    level = rest + jnp.maximum(rules.leave * state.deviation, rules.fall * (top - rest))
    last = jnp.max(jnp.where(before & (blocks >= level), number, -1))
    opened = (
        (jnp.nanmedian(early) - rest >= rules.enter * state.deviation)
        & (jnp.where(calm, blocks, -jnp.inf).max() < level)
        & (blocks[jnp.argmax(before)] >= level)
    )

    def age(at: Array) -> Array:
        """Returns the age of the middle of a block."""
        return state.elapsed + (state.place - at - 0.5) * rules.block

    fall = blocks[last] - blocks[last + 1]  # NaN where the face was lost
    share = jnp.where(jnp.isfinite(fall), ratio(blocks[last] - level, fall), 0.5)
    end = age(last + share)
    opened &= state.shown - end >= rules.least_duration
    amplitude = top - rest
    told = _describe(
        opened,
        state._replace(baseline=rest),
        smiling=moment.smiling,
        begin=state.shown,
        apex=age(jnp.nanargmax(jnp.where(before, blocks, -jnp.inf))),
        end=end,
        amplitude=amplitude,
        peak=amplitude / state.deviation,
        start_cut=jnp.array(True),
        end_cut=~jnp.isfinite(fall),
    )
    rested = jnp.where(calm, blocks, jnp.nan)
    baseline, deviation = _rest(rested, rules)
    begun = state._replace(
        blocks=rested,
        baseline=baseline,
        deviation=deviation,
        height=(state.second - baseline) / deviation,
        opening=jnp.array(False),
    )
    return jax.tree.map(lambda new, old: jnp.where(opened, new, old), (begun, told), (state, moment))


def _remember(
    state: SmileState, lip: Array, seen: Array, seconds: Array | float, rules: SmileRules
) -> tuple[SmileState, Array]:
    """Adds a value to the memory of rest, unless a smile is under way, and brings baseline and deviation up to date.

    Returns:
        The state, and whether a block has become full.
    """
    resting = seen & (state.peak < rules.enter)
    total = state.total + jnp.where(resting, lip, 0)
    count = state.count + resting
    elapsed = state.elapsed + seconds
    mean = jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)
    full = elapsed > rules.block - 1e-4  # seconds: blocks of whole frames end with a frame
    blocks = jnp.where(full, state.blocks.at[state.place].set(mean), state.blocks)
    baseline, deviation = lax.cond(
        full,
        lambda: _rest(blocks, rules),
        lambda: (state.baseline, state.deviation),
    )
    # Without any rest to compare with, as in the first moments, the present is rest.
    state = state._replace(
        blocks=blocks,
        place=jnp.where(full, (state.place + 1) % blocks.shape[0], state.place),
        total=jnp.where(full, 0, total),
        count=jnp.where(full, 0, count),
        elapsed=jnp.where(full, jnp.maximum(elapsed - rules.block, 0), elapsed),
        baseline=jnp.where(jnp.isnan(baseline) & seen, jnp.where(count > 0, mean, lip), baseline),
        deviation=deviation,
    )
    return state, full


def _rest(blocks: Float[Array, " blocks"], rules: SmileRules) -> tuple[Array, Array]:
    """Returns baseline and standard deviation of the lips at rest."""
    ordered = jnp.sort(blocks)  # NaN to the end
    count = jnp.isfinite(blocks).sum()

    def quantile(share: float) -> Array:
        at = share * jnp.maximum(count - 1, 0).astype(blocks.dtype)
        before = jnp.floor(at).astype(int)
        after = jnp.minimum(before + 1, jnp.maximum(count - 1, 0))
        part = at - before
        return (1 - part) * ordered[before] + part * ordered[after]

    rest, low = quantile(rules.rest), quantile(rules.low)
    distance = NormalDist().inv_cdf(rules.rest) - NormalDist().inv_cdf(rules.low)
    deviation = jnp.clip(jnp.nan_to_num(rest - low) / distance, rules.least_deviation, rules.most_deviation)
    return jnp.where(count > 0, rest, jnp.nan), deviation


def _since_crossing(before: Array, now: Array, level: Array | float) -> Array:
    """Returns how long ago, in frames from 0 to 1, the height passed the level on its way from `before` to `now`."""
    step = now - before
    inside = jnp.isfinite(step) & (step != 0)
    return jnp.where(inside, jnp.clip((now - level) / jnp.where(inside, step, 1), 0, 1), 0)
