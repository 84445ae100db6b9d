"""Published checkpoints: state dicts of the authors' PyTorch release as Flax variables."""

from collections.abc import Mapping

import numpy as np
from flax import traverse_util

from dfuse_jax.models import fusion as fusions
from dfuse_jax.models.authors.names import FUSION_MODULES, name
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.sizes import classifier_shapes, encoder_shapes

_ENCODERS = ("encoder.", "downsample.", "feature_proj.", "transformer.", "time.")


def _layout(value: np.ndarray, path: str) -> np.ndarray:
    """PyTorch's [out, in, ...] to Flax's [in, ..., out]; a convolution's kernel axes, all of length 1, are dropped."""
    if not path.endswith("/kernel") or value.ndim < 2:
        return value
    return np.moveaxis(value.reshape(value.shape[:2]) if set(value.shape[2:]) == {1} else value, 0, -1)


def _convert(state_dict: Mapping[str, np.ndarray], fusion: str, shapes: dict[str, tuple[int, ...]]) -> dict:
    paths = {name(path, fusion): path for path in shapes}
    values = {n: np.asarray(v) for n, v in state_dict.items() if not n.endswith("num_batches_tracked")}
    flat = {paths[n]: _layout(v, paths[n]) for n, v in values.items() if n in paths}
    wrong = [f"{name(p, fusion)} {values[name(p, fusion)].shape}" for p, v in flat.items() if v.shape != shapes[p]]
    faults = {
        "missing": [n for n in paths if n not in values],
        "unknown": [n for n in values if n not in paths],
        "of another shape": wrong,
    }
    if any(faults.values()):
        told = "; ".join(f"{what}: {', '.join(names)}" for what, names in faults.items() if names)
        raise ValueError(f"not a state dict of the published model with the fusion {fusion!r}. Tensors {told}.")
    return traverse_util.unflatten_dict(flat, sep="/")


def _published(fusion: str) -> DFuseSmileNet:
    if not fusions.get(fusion).published:
        raise ValueError(f"the fusion {fusion!r} is not in the authors' release; it has {', '.join(FUSION_MODULES)}.")
    return DFuseSmileNet(fusion=fusion, variant="authors")


def from_torch(state_dict: Mapping[str, np.ndarray], fusion: str) -> dict:
    """Variables of `DFuseSmileNet(fusion=fusion, variant="authors")` from a state dict of the authors' release.

    The variant "paper" takes them too where it has the same parameters, but walks its curves in another way.

    Args:
        state_dict: name -> array in PyTorch's layout, as from `torch.load` (each tensor's `.numpy()`) or safetensors.
        fusion: the fusion it was trained with.

    Returns:
        {"params": ..., "batch_stats": ...} for `apply`, in the arrays' precision.

    Raises:
        ValueError: lists missing and unknown names, and tensors of another shape.
    """
    model = _published(fusion)
    if "feature_proj.weight" in state_dict:
        raise ValueError(
            "this state dict has the narrower encoder with which the bilinear fusions were published, and which is not "
            "here (all fusions share one encoder): its head alone can be taken, with `head_from_torch`."
        )
    return _convert(state_dict, fusion, encoder_shapes(model.copy(fusion="hadamard")) | classifier_shapes(model))


def head_from_torch(state_dict: Mapping[str, np.ndarray], fusion: str) -> dict:
    """What follows the encoder alone, for the method `classify`; tensors of the encoder, whichever, are passed over.

    Args, Returns, Raises: those of `from_torch`.
    """
    head = {name: value for name, value in state_dict.items() if not name.startswith(_ENCODERS)}
    return _convert(head, fusion, classifier_shapes(_published(fusion)))
