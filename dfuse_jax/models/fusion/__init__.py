"""Fusions of the encoder's embedding and the D-Markers to one vector (paper section 3.3, eqs. 8-25), by name."""

import dataclasses

from dfuse_jax.models.fusion import attention, bilinear, film, joins
from dfuse_jax.models.fusion.base import FusionModule

__all__ = ["FUSIONS", "Fusion", "FusionModule", "get"]


@dataclasses.dataclass(frozen=True)
class Fusion:
    """A fusion that a model can be given.

    Attributes:
        module: its class.
        equations: their numbers in the paper; empty if the fusion is not in the paper.
        summary: what it does.
        sees_encoder: whether its output depends on the encoder at all.
    """

    module: type[FusionModule]
    equations: str
    summary: str
    sees_encoder: bool = True


def _blind(module: type[FusionModule], equations: str, summary: str) -> Fusion:
    return Fusion(module, equations, f"{summary}; blind to the encoder", sees_encoder=False)


FUSIONS: dict[str, Fusion] = {
    "concatenation": Fusion(joins.Concatenation, "8", "x and z side by side"),
    "gated_concatenation": Fusion(joins.GatedConcatenation, "9", "a learnt gate mixes x and z component by component"),
    "additive": Fusion(joins.Additive, "10-11", "two learnt weights mix x and z"),
    "hadamard": Fusion(joins.Hadamard, "12", "x times z, component by component; the paper's best"),
    "gated_concatenation_hadamard": Fusion(joins.GatedConcatenationHadamard, "25", "x times z plus the gated mixture"),
    "attention": _blind(attention.SingleHead, "13", "x attends to the single token z"),
    "multihead_attention": _blind(attention.MultiHead, "14", "the same in 4 heads"),
    "cross_attention": _blind(attention.SingleHead, "15-16", "the same as `attention`"),
    "multihead_cross_attention": _blind(attention.MultiHeadCross, "17-18", "4 heads, without the MLP after them"),
    "film": Fusion(film.Film, "19", "z scales and shifts the normed x"),
    "film_hadamard": Fusion(film.FilmHadamard, "20", "the same plus x times z"),
    "bilinear": Fusion(bilinear.Bilinear, "21", "all products of a component of x and one of z"),
    "bilinear_hadamard": Fusion(bilinear.BilinearHadamard, "22", "the same plus x times z"),
    "factorized_bilinear": Fusion(bilinear.FactorizedBilinear, "23", "products in 512 learnt directions"),
    "factorized_bilinear_hadamard": Fusion(bilinear.FactorizedBilinearHadamard, "24", "the same plus x times z"),
    "token_attention": Fusion(
        attention.TokenAttention, "", "every frame attends to 9 D-Marker tokens, one of each region and phase"
    ),
    "none": Fusion(joins.NoFusion, "", "the encoder alone, the paper's baseline; ignores the D-Markers"),
}
"""Name -> fusion, in the order of the paper's Table 4."""


def get(name: str) -> Fusion:
    """Returns the fusion of that name.

    Raises:
        ValueError: it is unknown; the message lists the known ones.
    """
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; known: {', '.join(FUSIONS)}.")
    return FUSIONS[name]
