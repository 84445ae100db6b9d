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


# The earlier systems' networks: outputs, tensors, parameter counts and gradient norms.
NETWORKS = dict(np.load(DATA / "networks.npz"))
NETWORK_FACTS = json.loads((DATA / "networks.json").read_text())


def network_state(name: str) -> dict[str, np.ndarray]:
    """The state dict of a network as its authors would have released it; their names for MeshSmileNet's trunk too."""
    own = {tensor: weights(tensor, shape) for tensor, shape in NETWORK_FACTS[name]["tensors"]}
    return ENCODER | own if name in ("meshsmilenet", "deepmarkernet") else own
