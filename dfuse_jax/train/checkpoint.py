"""Checkpoints of a whole training run, written by Orbax: whole or not there, whenever the process dies."""

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dfuse_jax.errors import UserError


def _flat(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class Checkpoints:
    """Numbered checkpoints in a folder, of which the newest two are kept."""

    def __init__(self, directory, *, every: int = 1, create: bool = True):
        self.every = every
        self.directory = pathlib.Path(directory).absolute()
        # Synchronous: what is written is a copy on the host that nobody needs any more.
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=create, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    @property
    def latest(self) -> int | None:
        """The number of the newest checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, number: int, tree: Any) -> None:
        """Writes a tree of arrays on the host as checkpoint `number`."""
        self._manager.save(number, args=ocp.args.StandardSave(_flat(tree)))
        self._manager.wait_until_finished()

    def restore(self, like: Any) -> tuple[int, Any]:
        """The newest checkpoint that can be read: its number and its tree, of NumPy arrays.

        Args:
            like: a tree of arrays, or of their shapes and types, that the checkpoint must have.

        Raises:
            UserError: it is of another model, or all are damaged.
        """
        numbers = sorted(self._manager.all_steps(), reverse=True)
        for number in numbers:
            try:
                found = self._manager.restore(number, args=ocp.args.StandardRestore())
            except Exception as error:  # Orbax passes on whatever its storage layers raise
                logging.warning("%s: checkpoint %d is damaged (%s).", self.directory, number, _line(error))
                continue
            return number, self._fit(number, found, like)
        raise UserError(
            f"{self.directory}: all checkpoints are damaged. Delete that folder to start from the beginning."
        )

    def _fit(self, number: int, found: dict, like: Any) -> Any:
        wanted = _flat(like)
        if differing := sorted(found.keys() ^ wanted.keys()):
            raise self._other(number, f"{differing[0]} is in only one of the two")
        for name, leaf in wanted.items():
            if found[name].shape != leaf.shape:
                raise self._other(number, f"{name} is {found[name].shape} there and {leaf.shape} here")
        leaves = [np.array(found[name], leaf.dtype) for name, leaf in wanted.items()]
        return jax.tree.unflatten(jax.tree.structure(like), leaves)

    def _other(self, number: int, difference: str) -> UserError:
        return UserError(
            f"{self.directory}: checkpoint {number} is of another architecture or other folds than the config "
            f"describes ({difference}). Give the config that it was made with, or another folder."
        )

    def close(self) -> None:
        """Gives back what Orbax holds."""
        self._manager.close()
