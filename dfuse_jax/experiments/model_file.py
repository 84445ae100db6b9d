"""The file of exported models, which is passed on without the folder of their run.

It is a .npz, that is an uncompressed ZIP archive, without anything that is executed when it is read (no pickle):

    format.npy          the format's number, FORMAT
    card.md             the model card, for people
    results.json        the run's results.json, and with them the recipe, less the folder of the data
    models.npy          [models, 2]: run and fold of each model, from 1
    scaling.npy         [2, 3]: what the landmarks' x, y and z are scaled by (`samples.scale`), minimum and maximum
    fitted/<name>.npy   [models, ...]: what the system learnt, such as fitted/params/head/bias.npy and the mean and
                        standard deviation of the D-Markers, fitted/mean/dmarkers.npy and fitted/std/dmarkers.npy
"""

import json
import os
import pathlib
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import SCALE_MAX, SCALE_MIN

FORMAT = 1
FITTED = "fitted/"
SUFFIX = ".npz"


class Contents(NamedTuple):
    """What a file holds.

    Attributes:
        results: of the run, as in results.json.
        models: (run, fold) of each model, from 1.
        arrays: what the models learnt, {name: [models, ...]}.
    """

    results: Mapping
    models: tuple[tuple[int, int], ...]
    arrays: dict[str, np.ndarray]


def write(path: str | os.PathLike, contents: Contents, card: str) -> None:
    """Writes models to a file, whole or not at all; the same contents give the same bytes.

    Args:
        path: ends in .npz. Another file of models there is replaced.
        contents: of the file.
        card: the model card, Markdown.

    Raises:
        UserError: the path cannot be, or is that of another file.
    """
    path = pathlib.Path(path)
    _check_target(path)
    arrays = {
        "format": np.array(FORMAT),
        "models": np.array(contents.models),
        "scaling": np.stack([SCALE_MIN, SCALE_MAX]),
        **{FITTED + name: array for name, array in contents.arrays.items()},
    }
    try:
        with atomic(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            archive.writestr(zipfile.ZipInfo("card.md"), card)
            archive.writestr(zipfile.ZipInfo("results.json"), json.dumps(contents.results, indent=1))
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}).") from error


def read(path: str | os.PathLike) -> Contents:
    """Reads a file of models.

    Raises:
        UserError: it is damaged, of another kind, or of a later version.
    """
    members = _members(path)
    if not _is_ours(members):
        what = "the landmarks of a video" if "landmarks" in members else "something else"
        raise UserError(f"{path}: holds {what}, not an exported model.", remedy="model_file")
    formats.require(
        path,
        _number(members["format"]),
        FORMAT,
        changed="models are stored otherwise",
        advice="Ask for the model exported anew.",
    )
    try:
        results = json.loads(members["results.json"])
        models = tuple((int(run), int(fold)) for run, fold in members["models"])
        arrays = {name.removeprefix(FITTED): array for name, array in members.items() if name.startswith(FITTED)}
        scaling = members["scaling"]
        if not models or any(len(array) != len(models) for array in arrays.values()):
            raise ValueError("its arrays are not of as many models as it names")
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(path, error) from error
    if not np.array_equal(scaling, np.stack([SCALE_MIN, SCALE_MAX])):
        raise UserError(f"{path}: its landmarks are scaled by {scaling.tolist()}, which this dfuse_jax does not do.")
    return Contents(results, models, arrays)


def damaged(path: str | os.PathLike, error: Exception) -> UserError:
    """Returns the error for a file that cannot be what it says it is."""
    reason = textwrap.shorten(str(error), 150) or type(error).__name__
    return UserError(f"{path}: is damaged, or no exported model ({reason}). Copy it again.", remedy="model_file")


def _check_target(path: pathlib.Path) -> None:
    """Raises UserError if models cannot be written to a path, or would replace something else."""
    if path.suffix != SUFFIX:
        raise UserError(f"{path}: an exported model is a file that ends in {SUFFIX}, such as model{SUFFIX}.")
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Name a file.")
    if not path.exists():
        return
    try:
        ours = _is_ours(_members(path, only=("format", "results.json")))
    except UserError:
        ours = False
    if not ours:
        raise UserError(f"{path}: exists and is no exported model. Delete it, or name another file.")


def _members(path: str | os.PathLike, only: Sequence[str] = ()) -> dict:
    """Returns {name: array, or the bytes of a text} of a .npz, all or those named that it has."""
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no .npz, or its end is missing")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if not only or name in only}
    except Exception as error:  # zipfile and NumPy raise errors of a dozen kinds for damaged files
        raise damaged(path, error) from error


def _is_ours(members: Mapping) -> bool:
    return "format" in members and "results.json" in members


def _number(value: np.ndarray) -> object:
    return value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value
