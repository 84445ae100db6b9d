"""Dibeklioglu, Salah and Gevers 2015: D-Markers of three regions, mRMR, and a support vector machine for each region.

What is known: the 25 values of Table 2 for each phase and region, of signals smoothed by 4253H; mRMR; support vector
machines; and three fusions: early (one machine for all features), mid (one for each region) and late (one for each
region and phase), of which mid fusion was best. The grids, the calibration (Platt's, on scores of the inner folds) and
the rules of combination are our choice. The paper also studied age and gender, which are left out here.

H. Dibeklioglu, A. A. Salah and T. Gevers, "Recognition of genuine smiles", IEEE Trans. Multimedia 17 (2015).
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC

from dfuse_jax import dmarkers
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks
from dfuse_jax.systems.classical import Classical, map_samples, switches
from dfuse_jax.systems.search import CALIBRATED, COSTS, MAX_STEPS, WIDTHS, Split, calibrate, choose

NAME = "dibeklioglu15"
GROUPS = {"early": 1, "mid": len(dmarkers.REGIONS), "late": len(dmarkers.REGIONS) * len(dmarkers.PHASES)}
RULES = ("sum", "product", "vote")
KERNELS = ("linear", "rbf")
PHASES = ("runs", "extended")
COUNTS = (10, 20, 40, 75)
TRUSTED = (
    *CALIBRATED,
    "dfuse_jax.systems.dibeklioglu15.Machines",
    "dfuse_jax.systems.mrmr.MRMR",
)


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of `model` or `dmarkers` that cannot be."""
    section, options = config["model"], config["dmarkers"]
    checks.one_of(config, "model.fusion", tuple(GROUPS))
    checks.one_of(config, "model.rule", RULES)
    checks.one_of(config, "model.kernel", KERNELS)
    checks.one_of(config, "model.phases", PHASES)
    checks.one_of(config, "model.increments", (False, True))
    checks.one_of(config, "dmarkers.definition", ("paper", "robust"))
    checks.dmarkers(config)
    if options["definition"] == "robust" and (section["phases"] != "runs" or section["increments"]):
        raise UserError(
            "config.model: the D-Markers' definition 'robust' has phases and sets of its own: leave phases 'runs' and "
            "increments False."
        )
    return Classical(
        NAME,
        features=functools.partial(
            dmarkers_of,
            definition=options["definition"],
            smoothing=options["smoothing"] or None,
            phases=section["phases"],
            increments=section["increments"],
        ),
        learn=functools.partial(
            learn, groups=GROUPS[section["fusion"]], rule=section["rule"], kernel=section["kernel"]
        ),
        trusted=TRUSTED,
        **switches(config),
    )


def dmarkers_of(
    samples: Sequence[Sample], *, definition: str, smoothing: str | None, phases: str = "runs", increments: bool = False
) -> Float[np.ndarray, "videos 225"]:
    """Returns the D-Markers of whole videos.

    Args:
        samples: V videos.
        definition: "paper" or "robust".
        smoothing: of the signals.
        phases: of the definition "paper", see `dmarkers.describe`.
        increments: likewise.
    """
    program = _program(definition=definition, smoothing=smoothing, phases=phases, increments=increments)
    return map_samples(program, samples)


@functools.lru_cache
def _program(*, definition: str, smoothing: str | None, phases: str, increments: bool) -> Callable:
    def compute(points: Array, fps: Array, length: Array, aspect: Array) -> Array:
        if definition == "robust":
            return dmarkers.compute(points, fps, length=length, aspect=aspect, definition=definition)
        curves = dmarkers.signals(points, length=length, aspect=aspect, smoothing=smoothing)
        return dmarkers.describe(curves, fps, length=length, phases=phases, increments=increments).reshape(-1)

    return jax.jit(jax.vmap(compute))


class Machines:
    """Support vector machines, one for each group of neighbouring features, whose probabilities are combined.

    Args:
        machines: fitted classifiers of equally many neighbouring features each.
        rule: see `combine`.
    """

    classes_ = (0, 1)

    def __init__(self, machines: list[CalibratedClassifierCV], rule: str):
        self.machines = machines
        self.rule = rule

    def predict_proba(self, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the two classes."""
        groups = np.split(features, len(self.machines), axis=1)
        probabilities = [
            machine.predict_proba(group)[:, 1] for machine, group in zip(self.machines, groups, strict=True)
        ]
        spontaneous = combine(np.stack(probabilities), self.rule)
        return np.stack([1 - spontaneous, spontaneous], axis=1)


def learn(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    groups: int,
    rule: str,
    kernel: str,
    balanced: bool = False,
) -> Machines:
    """Fits a support vector machine to each group of neighbouring features.

    Each has a scaler, a number of mRMR's features and a cost of its own, chosen by the inner splits. Its probability is
    Platt's: a sigmoid, fitted to scores of videos that the machine was not fitted to.

    Args:
        features: of the training videos.
        labels: 0 and 1.
        splits: of the inner cross-validation.
        groups: how many there are, of equally many features each.
        rule: see `combine`.
        kernel: "linear" or "rbf".
        balanced: whether both classes count alike, in the machines and in their calibration.
    """
    machines = [
        _machine(group, labels, splits, kernel=kernel, balanced=balanced)
        for group in np.split(features, groups, axis=1)
    ]
    return Machines(machines, rule)


def _machine(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    kernel: str,
    balanced: bool,
) -> CalibratedClassifierCV:
    """Fits one machine."""
    grid: dict[str, Sequence] = {"C": COSTS}
    if kernel == "rbf":
        grid["gamma"] = [width / features.shape[1] for width in WIDTHS]
    pipeline = choose(
        SVC(kernel=kernel, max_iter=MAX_STEPS, class_weight="balanced" if balanced else None),
        features,
        labels,
        splits,
        counts=COUNTS,
        grid=grid,
        strongest=lambda count, settings: (settings["C"], count, settings.get("gamma")),
    )
    return calibrate(pipeline, features, labels, splits, balanced=balanced)


def combine(probabilities: Float[np.ndarray, "machines videos"], rule: str) -> Float[np.ndarray, " videos"]:
    """Combines the machines' probabilities of class 1.

    Args:
        probabilities: of each machine.
        rule: "sum" (their mean), "product" (normalised) or "vote" (the share of machines for which 1 is the likelier).
    """
    if rule == "sum":
        return probabilities.mean(axis=0)
    if rule == "vote":
        return (probabilities >= 0.5).mean(axis=0)
    spontaneous, posed = probabilities.prod(axis=0), (1 - probabilities).prod(axis=0)
    return spontaneous / (spontaneous + posed)
