"""Values that the authors' published code gave, in float64, for made-up weights that these functions draw again."""

import json
import pathlib
import zlib

import numpy as np

DATA = pathlib.Path(__file__).parents[1] / "data"
TENSORS = json.loads((DATA / "models.json").read_text())
GOLDEN = dict(np.load(DATA / "models.npz"))


def weights(name: str, shape: list[int]) -> np.ndarray:
    g = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_mean"):
        return 0.1 * g
    if name.endswith("running_var"):
        return np.exp(0.1 * g)
    if len(shape) == 1:
        return 1 + 0.1 * g if name.endswith("weight") else 0.1 * g
    return g / np.sqrt(np.prod(shape[1:]))


ENCODER = {name: weights(name, shape) for name, shape in TENSORS["encoder"].items()}


def head(fusion: str) -> dict[str, np.ndarray]:
    return {name: weights(name, shape) for name, shape in TENSORS["head"][fusion].items()}
