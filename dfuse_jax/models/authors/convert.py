"""Converts state dicts of the authors' PyTorch release to Flax variables, and back."""

import itertools
from collections.abc import Callable, Collection, Mapping

import numpy as np
from flax import traverse_util

from dfuse_jax.models import fusion as fusions
from dfuse_jax.models.authors.names import FUSION_MODULES, kernel_axes, torch_name
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.sizes import classifier_shapes, encoder_shapes

_LISTED = 5  # names in a message


def from_torch(state_dict: Mapping[str, np.ndarray], fusion: str) -> dict:
    """Returns variables of `DFuseSmileNet(fusion=fusion, variant="authors")` from a state dict of the authors' release.

    The variant "paper" takes them too where it has the same parameters, but walks its curves in another way.

    Args:
        state_dict: name -> array in PyTorch's layout, as from `torch.load` (each tensor's `.numpy()`) or safetensors.
            A prefix that all names share, such as "module.", is ignored.
        fusion: the fusion it was trained with.

    Returns:
        {"params": ..., "batch_stats": ...} for `apply`, in the arrays' precision.

    Raises:
        ValueError: the authors did not release this fusion, `state_dict` is a whole checkpoint, or its tensors are not
            those of the model; the message names the missing, the unknown and those of another shape.
    """
    model = _released(fusion)
    shapes = encoder_shapes(model) | classifier_shapes(model)
    names = {path: torch_name(path, fusion) for path in shapes}
    tensors = named_tensors(state_dict, names.values())
    if "feature_proj.weight" in tensors:
        raise ValueError(
            "this state dict has the narrower encoder with which the bilinear fusions were published; all fusions "
            "share one encoder here. Take its head alone, with `head_from_torch`."
        )
    return convert(tensors, names, shapes, _network(fusion))


def head_from_torch(state_dict: Mapping[str, np.ndarray], fusion: str) -> dict:
    """Returns variables for the method `classify`: all that follows the encoder, whose tensors are ignored.

    Args, Returns, Raises: those of `from_torch`.
    """
    shapes = classifier_shapes(_released(fusion))
    names = {path: torch_name(path, fusion) for path in shapes}
    tensors = named_tensors(state_dict, names.values())
    encoder = ("encoder.", "downsample.", "feature_proj.", "transformer.", "time.")
    head = {name: value for name, value in tensors.items() if not name.startswith(encoder)}
    return convert(head, names, shapes, _network(fusion))


def to_torch(variables: Mapping, fusion: str) -> dict[str, np.ndarray]:
    """Returns a state dict of the authors' release from variables of the full-size model: the inverse of `from_torch`.

    The variables are those of `DFuseSmileNet(fusion=fusion, variant="authors")`. The variant "paper" walks its curves
    in another way than the release does, and has other parameters in concatenation, gated_concatenation,
    multihead_cross_attention and film, which are refused. The authors published the bilinear fusions on a narrower
    encoder: of these, only the head's tensors fit their model. There are no counters of batches
    (`num_batches_tracked`), which PyTorch's `load_state_dict` does without.

    Args:
        variables: {"params": ..., "batch_stats": ...} of one model, as from `init` or `from_torch`.
        fusion: the fusion that the model was made with.

    Returns:
        Name -> array in PyTorch's layout and the variables' precision, for `torch.from_numpy`.

    Raises:
        ValueError: the authors did not release this fusion, or the variables are not those of the full-size model with
            it; the message names the missing, the unknown and those of another shape.
    """
    model = _released(fusion)
    shapes = encoder_shapes(model) | classifier_shapes(model)
    flat = {path: np.asarray(value) for path, value in traverse_util.flatten_dict(variables, sep="/").items()}
    misshapen = [f"{path} {flat[path].shape}" for path in shapes if path in flat and flat[path].shape != shapes[path]]
    if differences := _differences(flat, shapes, misshapen):
        raise ValueError(
            f"not variables of the full-size model with the fusion {fusion!r} and the variant 'authors'. "
            f"Variables {differences}."
        )
    return {torch_name(path, fusion): _torch_layout(flat[path], path) for path in shapes}


def _network(fusion: str) -> str:
    return f"the published model with the fusion {fusion!r}"


def _released(fusion: str) -> DFuseSmileNet:
    fusions.get(fusion)
    if fusion not in FUSION_MODULES:
        raise ValueError(f"the fusion {fusion!r} is not in the authors' release; it has {', '.join(FUSION_MODULES)}.")
    return DFuseSmileNet(fusion=fusion, variant="authors")


def named_tensors(state_dict: Mapping, expected: Collection[str]) -> dict[str, np.ndarray]:
    """Returns the tensors by name, without a prefix that all names share and without counters of batches."""
    nested = [key for key, value in state_dict.items() if isinstance(value, Mapping)]
    if nested:
        largest = max(nested, key=lambda key: len(state_dict[key]))
        raise ValueError(f"state_dict looks like a whole checkpoint: pass its {largest!r}.")
    columns = zip(*(name.split(".") for name in state_dict), strict=False)
    shared = itertools.takewhile(lambda column: len(set(column)) == 1, columns)
    prefix = "".join(f"{column[0]}." for column in shared)
    if not any(name.removeprefix(prefix) in expected for name in state_dict):
        prefix = ""  # all names belong to one module of the model, say
    named = {name.removeprefix(prefix): value for name, value in state_dict.items()}
    return {name: np.asarray(value) for name, value in named.items() if not name.endswith("num_batches_tracked")}


def convert(
    tensors: Mapping[str, np.ndarray],
    names: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]],
    network: str,
    layout: Callable[[np.ndarray, str], np.ndarray] | None = None,
) -> dict:
    """Returns the variables of a network.

    Args:
        tensors: by their names in PyTorch.
        names: path of a variable, such as params/head/kernel -> name of its tensor.
        shapes: path -> shape of the variable.
        network: names it in the message.
        layout: brings a tensor to the layout of the variable at a path; None: `flax_layout`.

    Raises:
        ValueError: the tensors are not those of the network.
    """
    paths = {name: path for path, name in names.items()}
    arrange = layout or flax_layout
    flat = {paths[name]: arrange(value, paths[name]) for name, value in tensors.items() if name in paths}
    misshapen = [
        f"{name} {tensors[name].shape}"
        for name, path in paths.items()
        if path in flat and flat[path].shape != shapes[path]
    ]
    if differences := _differences(tensors, paths, misshapen):
        raise ValueError(f"not a state dict of {network}. Tensors {differences}.")
    return traverse_util.unflatten_dict(flat, sep="/")


def _differences(given: Collection[str], expected: Collection[str], misshapen: list[str]) -> str:
    """Returns which names are missing, unknown or of another shape; empty if there are none."""
    faults = {
        "missing": [name for name in expected if name not in given],
        "unknown": [name for name in given if name not in expected],
        "of another shape": misshapen,
    }
    return "; ".join(f"{fault}: {_first(names)}" for fault, names in faults.items() if names)


def flax_layout(value: np.ndarray, path: str) -> np.ndarray:
    """Returns PyTorch's [out, in, ...] as Flax's [in, ..., out], without a convolution's kernel axes of length 1."""
    if not path.endswith("/kernel") or value.ndim < 2:
        return value
    return np.moveaxis(value.reshape(value.shape[:2]) if set(value.shape[2:]) == {1} else value, 0, -1)


def _torch_layout(value: np.ndarray, path: str) -> np.ndarray:
    """Returns Flax's [in, ..., out] as PyTorch's [out, in, ...], with a convolution's kernel axes of length 1."""
    if not path.endswith("/kernel"):
        return value
    value = np.ascontiguousarray(np.moveaxis(value, -1, 0))
    return value.reshape(*value.shape, *[1] * kernel_axes(path))


def _first(names: list[str]) -> str:
    """Returns the first few names, and how many there are beyond them."""
    listed = ", ".join(names[:_LISTED])
    return listed if len(names) <= _LISTED else f"{listed} and {len(names) - _LISTED} more"
