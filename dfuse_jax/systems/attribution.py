"""How much each input of D-FuseSmileNet and its kin has contributed to an answer, one model and one video at a time.

The network is opened between its encoder and what follows. Its inputs are then the D-Markers, in 9 groups of a region
and a phase, and the encoder's output for a clip. Each of these is a player of a game whose score is the probability
that the smile is spontaneous: a player who takes part brings the video's own values, one who stays away those of a
background video. The score of a coalition is the mean over background videos.

The encoder picks neighbours, curves and maxima. Small changes of the landmarks change no pick, so its gradients say how
its answer varies between two picks, not what it rests on. Integrated gradients are therefore those of the D-Markers
alone, and the clip is explained by leaving parts of it out (see `still`).
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from dfuse_jax import dmarkers
from dfuse_jax.models import FUSIONS, DFuseSmileNet
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import System, deepmarkernet, dfusesmilenet, meshsmilenet
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import State

GROUPS = tuple((region, phase) for region in dmarkers.REGIONS for phase in dmarkers.PHASES)
GROUP_SIZE = len(dmarkers.VALUES)
CLIPS_AT_ONCE = 16
FAMILY = (dfusesmilenet.Network, deepmarkernet.Network)
FLOOR = 0.01  # a smaller difference is within a few roundings of its own tolerance
NODES = 8  # of Gauss-Legendre in each segment of the path


@dataclasses.dataclass(frozen=True)
class Opened:
    """A network, open between its encoder and what follows.

    Attributes:
        model: the network, without fused kernels.
    """

    model: DFuseSmileNet

    @property
    def sees_dmarkers(self) -> bool:
        """Whether the answer depends on D-Markers; MeshSmileNet's and DeepMarkerNet's does not."""
        return self.model.fusion != "none"

    @property
    def sees_encoder(self) -> bool:
        """Whether the answer depends on the encoder; that of four fusions does not."""
        return FUSIONS[self.model.fusion].sees_encoder

    def encode(self, state: State, clips: Mapping) -> Float[Array, "clips frames width"]:
        """Returns the frames' embeddings of {"points", "neighbours"} with leaves [N, T, ...].

        Any number of clips shares one compiled program, of CLIPS_AT_ONCE; a single clip has its own.
        """
        count = len(clips["points"])
        size = 1 if count == 1 else CLIPS_AT_ONCE
        rows = np.arange(-(-count // size) * size).reshape(-1, size) % count  # the last ones are repeats
        parts = [_encode(self.model, state, clips["points"][row], clips["neighbours"][row]) for row in rows]
        return jnp.concatenate(parts)[:count]

    def probabilities(
        self, state: State, frames: Float[Array, "clips frames width"], markers: Float[ArrayLike, "225"]
    ) -> Float[Array, " clips"]:
        """Returns the probability for each clip's embeddings, with the same standardised D-Markers for all."""
        return _probabilities(self, state, frames, markers)

    def shapley(
        self,
        state: State,
        frames: Float[Array, "windows frames width"],
        markers: Float[ArrayLike, "225"],
        background_frames: Float[ArrayLike, "background frames width"],
        background_markers: Float[ArrayLike, "background 225"],
    ) -> tuple[Float[Array, ""], Float[Array, " players"]]:
        """Returns the score without any player, and the exact Shapley value of every player.

        The players are GROUPS and then the encoder, those of them that the network sees. All coalitions are computed,
        2**10 with all ten players, so that the values add up to the score of the video less that of the background.

        Args:
            state: of one model.
            frames: the encoder's output for the video's windows.
            markers: its standardised D-Markers; any numbers where the network sees none.
            background_frames: the encoder's output for a clip of each background video.
            background_markers: their standardised D-Markers.
        """
        return _shapley(self, state, frames, markers, background_frames, background_markers)

    def integrated_gradients(
        self,
        state: State,
        frames: Float[Array, "windows frames width"],
        markers: Float[ArrayLike, "225"],
        background_markers: Float[ArrayLike, "background 225"],
        *,
        tolerance: float = 1e-3,
        most_segments: int = 512,
    ) -> tuple[Float[np.ndarray, "225"], float]:
        """Returns the integrated gradients of the D-Markers, and the difference that they should add up to.

        The path goes in a straight line from each background video's D-Markers to the video's, while the encoder's
        output is the video's throughout; the mean over background videos is returned (Sundararajan et al. 2017). A path
        is cut into segments of NODES nodes of Gauss-Legendre, and into twice as many until the sum is within
        `tolerance` of the difference (of FLOOR, if that is more), or there are `most_segments`: at the kink of a ReLU
        the gradient jumps, which takes short ones.
        """
        segments = 4
        while True:
            gradients, difference = _integrate(self, state, frames, markers, background_markers, segments)
            values, expected = np.asarray(gradients, float), float(difference)
            allowed = tolerance * max(abs(expected), FLOOR)
            if abs(values.sum() - expected) <= allowed or segments >= most_segments:
                return values, expected
            segments *= 2


def require_neural(system: System) -> Neural:
    """Returns the system.

    Raises:
        UserError: it is neither D-FuseSmileNet nor MeshSmileNet nor DeepMarkerNet.
    """
    if isinstance(system, Neural) and isinstance(system.network, FAMILY):
        return system
    raise UserError(
        f"models of the system {system.name!r} cannot be explained, as their parts are not known here. Those of "
        f"{dfusesmilenet.NAME}, {meshsmilenet.NAME} and {deepmarkernet.NAME} can."
    )


def open_network(system: Neural) -> Opened:
    """Returns the network of a system that `require_neural` takes, opened."""
    network = system.with_kernels("plain").network.suited_to(jax.local_devices()[0].platform, 1)
    return Opened(cast(Any, network).model)


def shapley_values(scores: Float[Array, " coalitions"]) -> Float[Array, " players"]:
    """Returns the exact Shapley values of a game (Shapley 1953).

    Args:
        scores: of all 2**n coalitions; player p takes part in coalition c if bit p of c is set.
    """
    return jnp.dot(_shapley_weights(len(scores)), scores, precision=lax.Precision.HIGHEST)


@functools.cache
def _shapley_weights(coalitions: int) -> Float[np.ndarray, "players coalitions"]:
    """Returns what each coalition's score counts in each player's value: a player adds to those without him."""
    players = coalitions.bit_length() - 1
    member = _members(players)
    size = member.sum(axis=0)
    others = size - member  # how many players the coalition has beside this one
    weight = np.array([1 / (players * math.comb(players - 1, s)) for s in range(players)])
    return np.where(member, 1, -1) * weight[others]


def _members(players: int) -> Int[np.ndarray, "players coalitions"]:
    """Returns 1 where a player takes part in a coalition."""
    return (np.arange(2**players) >> np.arange(players)[:, None]) & 1


@functools.partial(jax.jit, static_argnums=0)
def _encode(model: DFuseSmileNet, state: State, points: Array, neighbours: Array) -> Any:
    return model.apply(state.variables(), points, neighbours=neighbours, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _probabilities(opened: Opened, state: State, frames: Array, markers: Array) -> Array:
    return lax.map(lambda clip: _probability(opened, state, clip, markers), frames)


def _probability(opened: Opened, state: State, frames: Array, markers: Array) -> Float[Array, ""]:
    """Returns the probability from the embeddings [T, C] of a clip's frames and D-Markers."""
    given = markers[None] if opened.sees_dmarkers else None
    logit = opened.model.apply(state.variables(), frames[None], given, method="classify")
    return jax.nn.sigmoid(logit[0])


@functools.partial(jax.jit, static_argnums=0)
def _shapley(
    opened: Opened, state: State, frames: Array, markers: Array, other_frames: Array, other_markers: Array
) -> tuple[Array, Array]:
    groups = len(GROUPS) if opened.sees_dmarkers else 0
    taken = jnp.asarray(np.repeat(_members(groups).T, GROUP_SIZE, axis=1), bool)  # [coalitions of groups, 225]

    def scores(clip: Array, others: Array) -> Float[Array, " coalitions"]:
        mixed = jnp.where(taken, markers, others) if groups else markers[None]
        return jax.vmap(lambda row: _probability(opened, state, clip, row))(mixed)

    def against(background: tuple[Array, Array]) -> tuple[Array, Array]:
        clip, others = background
        own = lax.map(lambda window: scores(window, others), frames).mean(axis=0)
        return scores(clip, others), own

    without, own = (x.mean(axis=0) for x in lax.map(against, (other_frames, other_markers)))
    game = jnp.concatenate([without, own]) if opened.sees_encoder else own
    return game[0], shapley_values(game)


@functools.partial(jax.jit, static_argnums=0)
def _integrate(
    opened: Opened, state: State, frames: Array, markers: Array, other_markers: Array, segments: Array | int
) -> tuple[Array, Array]:
    def score(row: Float[Array, "225"]) -> Float[Array, ""]:
        return jax.vmap(lambda clip: _probability(opened, state, clip, row))(frames).mean()

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = jnp.asarray((nodes + 1) / 2, markers.dtype), jnp.asarray(weights / 2, markers.dtype)
    change = markers - other_markers

    def add(number: Array, total: Array) -> Array:
        share = (number + nodes) / segments
        points = other_markers[:, None] + share[:, None] * change[:, None]
        gradients = jax.vmap(jax.vmap(jax.grad(score)))(points)
        return total + jnp.einsum("n,bnf->bf", weights, gradients) / segments

    slopes = lax.fori_loop(0, segments, add, jnp.zeros_like(change))
    difference = score(markers) - jax.vmap(score)(other_markers).mean()
    return (slopes * change).mean(axis=0), difference
