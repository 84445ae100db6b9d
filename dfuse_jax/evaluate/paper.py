"""The accuracies that the paper prints, in percent: Table 4, and Table 5's row for the model that it builds on.

Both come from the protocol that a report here calls `peeked`: of every fold the epoch that is best on its test videos.
"""

DATABASES = ("uva_nemo", "mmi", "spos", "bbc")

_TABLE4 = {
    "concatenation": (87.9, 99.7, 97.2, 95.0),
    "gated_concatenation": (87.9, 94.7, 93.0, 95.0),
    "additive": (81.4, 89.7, 92.0, 85.0),
    "hadamard": (88.7, 99.7, 98.5, 100.0),
    "gated_concatenation_hadamard": (87.9, 99.7, 93.4, 100.0),
    "attention": (87.1, 89.4, 91.6, 90.0),
    "multihead_attention": (85.4, 91.7, 90.4, 85.0),
    "cross_attention": (83.8, 92.3, 85.7, 90.0),
    "multihead_cross_attention": (85.4, 92.1, 86.2, 85.0),
    "film": (83.8, 94.7, 92.8, 90.0),
    "film_hadamard": (87.1, 92.1, 97.8, 95.0),
    "bilinear": (83.8, 95.6, 92.8, 95.0),
    "bilinear_hadamard": (87.1, 93.1, 96.7, 100.0),
    "factorized_bilinear": (83.8, 93.3, 97.7, 95.0),
    "factorized_bilinear_hadamard": (85.4, 94.7, 95.4, 100.0),
}
_MESHSMILENET = (85.0, 99.0, 94.4, 95.0)

TABLE4: dict[str, dict[str, float]] = {
    fusion: dict(zip(DATABASES, row, strict=True)) for fusion, row in _TABLE4.items()
}
"""Fusion -> database -> accuracy."""

MESHSMILENET: dict[str, float] = dict(zip(DATABASES, _MESHSMILENET, strict=True))
"""Table 5's row of MeshSmileNet [24], which is the encoder alone: the fusion `none`."""


def accuracy(fusion: str, database: str) -> float | None:
    """What the paper prints for a fusion on a database, in percent; None where it prints nothing."""
    return (MESHSMILENET if fusion == "none" else TABLE4.get(fusion, {})).get(database)
