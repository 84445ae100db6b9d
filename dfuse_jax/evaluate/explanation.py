"""An explanation as numbers: what moved the answer of every model from that for other videos to that for this one."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Player(NamedTuple):
    """An input whose share of the answer is told.

    Attributes:
        region: "eye", "cheek" or "lip" of a group of D-Markers; empty for the encoder.
        phase: "onset", "apex" or "offset"; empty for the encoder.
    """

    region: str
    phase: str

    @property
    def name(self) -> str:
        """Its name in tables, such as "lip_onset" or "encoder"."""
        return f"{self.region}_{self.phase}" if self.region else "encoder"


ENCODER = Player("", "")


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What each of M models rests its answer for a video on; all effects are differences of probability.

    Attributes:
        name: of the video.
        run: name of the models' run.
        note: what must be known of the run.
        players: P of them.
        start: mean probability of background videos, by each model.
        probability: of the video; `start` and the row of `shapley` add up to it.
        shapley: the exact Shapley value of every player.
        gradients: integrated gradients of the D-Markers in the order of their names, or None where none are seen.
        gradient_difference: what a row of them should add up to: the probability of the video less the mean with the
            background's D-Markers and the video's own clips.
        parts: {part of the face: effect on the clips' answer [M] of its moving, as against its being at rest}; empty
            where the encoder has no effect.
        frames: the same of every frame's face, NaN for frames in none of the windows.
        windows: first frame of every clip that the answer rests on, and the frame after its last.
        background: what the video is compared with, a noun phrase.
        notes: sentences on players that do not exist, and on what else must be known.
    """

    name: str
    run: str
    note: str
    players: tuple[Player, ...]
    start: Float[np.ndarray, " models"]
    probability: Float[np.ndarray, " models"]
    shapley: Float[np.ndarray, "models players"]
    gradients: Float[np.ndarray, "models 225"] | None
    gradient_difference: Float[np.ndarray, " models"] | None
    parts: Mapping[str, Float[np.ndarray, " models"]]
    frames: Float[np.ndarray, "models frames"]
    windows: Int[np.ndarray, "windows 2"]
    background: str
    notes: tuple[str, ...] = ()

    @property
    def residual(self) -> float:
        """By how much Shapley values miss the difference that they add up to, at worst."""
        return float(np.abs(self.start + self.shapley.sum(axis=1) - self.probability).max())

    def by_region(self) -> dict[str, float]:
        """Returns the mean Shapley value of every region, all phases together."""
        regions: dict[str, float] = {}
        for player, value in zip(self.players, self.shapley.mean(axis=0), strict=True):
            if player.region:
                regions[player.region] = regions.get(player.region, 0.0) + float(value)
        return regions
