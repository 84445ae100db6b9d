"""Wu, Liu and Zhang 2014: discriminative patterns of CLBP-TOP in regions that fit the person, phase by phase.

What is known: completed local binary patterns on three planes of which only robust and discriminative ones are kept;
regions adapted to each person's organs; a division in time by the smile's dynamics; a support vector machine. That the
selection is disLBP's, with its shares, the regions (`regions`), 10 frames a phase, and a dictionary for each histogram
are our choice.

P. Wu, H. Liu and X. Zhang, "Spontaneous versus posed smile recognition using discriminative local spatial-temporal
descriptors", ICASSP (2014).
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

from dfuse_jax import dmarkers
from dfuse_jax.features import clbp_top, discriminative, dominant, interpolate, to_grey
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, kernel_machine, regions
from dfuse_jax.systems.classical import Classical, switches
from dfuse_jax.systems.kernel_machine import KernelMachine
from dfuse_jax.systems.search import Split

NAME = "wu14"
KERNELS = ("linear", "intersection")
FRAMES = 10  # of a phase
CODES = 256
BLOCKS = tuple(int(np.prod(region.blocks)) for region in regions.REGIONS.values())
HISTOGRAMS = len(dmarkers.PHASES), sum(BLOCKS), 3, 2  # phases, blocks, planes, sign and magnitude
MOUTH = (dmarkers.REGIONS.index("lip"),) * len(regions.REGIONS)  # the signal whose phases each region has
TRUSTED = ("dfuse_jax.systems.kernel_machine.KernelMachine", "dfuse_jax.systems.wu14.Selection")


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    section = config["model"]
    checks.one_of(config, "model.kernel", KERNELS)
    checks.within(config, "model", ("share", "agree"), low=0, high=1)
    options = {name: section[name] for name in ("kernel", "share", "agree")}
    return Classical(
        NAME,
        features=functools.partial(patterns, signals=MOUTH),
        learn=functools.partial(learn, **options),
        trusted=TRUSTED,
        **switches(config),
    )


def patterns(
    samples: Sequence[Sample], *, signals: Sequence[int]
) -> UInt16[np.ndarray, "videos phases blocks planes 2 256"]:
    """Returns how often each pattern occurs; of an empty phase, never.

    Args:
        samples: V videos with chips.
        signals: for each region, the number of the signal that gives its phases.
    """
    counts = np.zeros((len(samples), *HISTOGRAMS, CODES), np.uint16)
    for video, spans in enumerate(regions.spans(samples)):
        counts[video] = _patterns(samples[video], spans, signals)
    return counts


def _patterns(
    sample: Sample, spans: Int[np.ndarray, "signals phases 2"], signals: Sequence[int]
) -> UInt16[np.ndarray, "phases blocks planes 2 256"]:
    grey = np.asarray(to_grey(sample.chips)).round().astype(np.uint8)
    boxes = regions.boxes(regions.on_chips(sample)[0])
    counts = np.zeros((*HISTOGRAMS, CODES), np.uint16)
    ends = np.cumsum(BLOCKS)
    for number, (name, region) in enumerate(regions.REGIONS.items()):
        pictures = regions.cut(grey, boxes[name], region.size)
        for phase, (start, stop) in enumerate(spans[signals[number]]):
            if start == stop:
                continue
            volume = interpolate(pictures[start:stop], FRAMES)
            found = clbp_top(volume, blocks=region.blocks, patterns="all", normalise=False)
            blocks = slice(ends[number] - BLOCKS[number], ends[number])
            counts[phase, blocks] = np.asarray(found).reshape(-1, *HISTOGRAMS[2:], CODES)
    return counts


class Selection:
    """A machine on the patterns that are kept.

    Args:
        kept: which of each histogram's patterns are.
        machine: reads their histograms, renormalised.
    """

    classes_ = (0, 1)

    def __init__(self, kept: Bool[np.ndarray, "histograms 256"], machine: KernelMachine):
        self.kept, self.machine = kept, machine

    def predict_proba(self, counts: Float[np.ndarray, "videos ..."]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the two classes."""
        return self.machine.predict_proba(restrict(counts, self.kept))


def select(
    counts: Int[np.ndarray, "videos ..."], labels: Int[np.ndarray, " videos"], *, share: float, agree: float
) -> Bool[np.ndarray, "histograms 256"]:
    """Returns which patterns of each histogram the training videos keep (disLBP)."""
    flat = counts.reshape(len(counts), -1, CODES)
    # A histogram at a time: all of a database's would take gigabytes.
    kept = [
        discriminative(dominant(flat[:, number].astype(np.float32), share), labels, agree)
        for number in range(flat.shape[1])
    ]
    return np.asarray(kept)


def restrict(
    counts: Int[np.ndarray, "videos ..."], kept: Bool[np.ndarray, "histograms 256"]
) -> Float[np.ndarray, "videos features"]:
    """Returns the histograms of the patterns that are kept, each with a sum of 1, or of 0 if none of them occurs."""
    flat = counts.reshape(len(counts), -1, CODES)
    columns = []
    for number, codes in enumerate(kept):
        chosen = flat[:, number, codes].astype(np.float32)
        columns.append(chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1))
    return np.concatenate(columns, axis=1)


def learn(
    counts: Int[np.ndarray, "videos ..."],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    kernel: str,
    share: float,
    agree: float,
    balanced: bool = False,
) -> Selection:
    """Selects patterns and fits a machine to them; where no pattern is agreed on, all are kept.

    Args:
        counts: of the training videos.
        labels: 0 and 1.
        splits: of the inner cross-validation.
        kernel: one of KERNELS.
        share: of a video's counts that its dominant patterns hold.
        agree: share of a class's videos in which a pattern must be dominant.
        balanced: whether both classes count alike.
    """
    kept = select(counts, labels, share=share, agree=agree)
    if not kept.any():
        kept = np.ones_like(kept)
    machine = kernel_machine.fit(restrict(counts, kept), labels, splits, names=[kernel], balanced=balanced)
    return Selection(kept, machine)
