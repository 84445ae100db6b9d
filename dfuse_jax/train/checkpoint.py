"""Checkpoints of a whole training run, written by Orbax: whole or not there, whenever the process dies."""

import pathlib
from collections.abc import Container, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging

from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError

_ALONE = ocp.options.MultiprocessingOptions(
    primary_host=0, active_processes={0}, barrier_sync_key_prefix="dfuse-checkpoints"
)


def _flat(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class Checkpoints:
    """Numbered checkpoints in a folder. Of several processes the first alone reads and writes them."""

    def __init__(self, directory, *, every: int = 1, create: bool = True):
        self.every = every
        self.directory = pathlib.Path(directory).absolute()
        self._manager = None
        if messages.first():
            if create:
                self.directory.mkdir(parents=True, exist_ok=True)
            # Synchronous: what is written is a copy on the host that nobody needs any more.
            options = ocp.CheckpointManagerOptions(
                create=False, enable_async_checkpointing=False, multiprocessing_options=_ALONE
            )
            self._manager = ocp.CheckpointManager(self.directory, options=options)

    @property
    def numbers(self) -> list[int]:
        """Of all checkpoints, ascending."""
        return sorted(self._manager.all_steps())

    @property
    def facts(self) -> Mapping:
        """What was said of the newest checkpoint, {} if there is none."""
        return (self._manager.metadata(self.numbers[-1]).custom_metadata or {}) if self.numbers else {}

    def save(self, number: int, tree: Any, *, keep: Container[int] = (), facts: Mapping | None = None) -> None:
        """Writes a tree of arrays on the host as checkpoint `number`.

        Args:
            number: a damaged checkpoint of this number gives way.
            tree: what to write.
            keep: lower numbers whose checkpoints stay; of the others this one and the one before do.
            facts: JSON that describes it.
        """
        if number in self.numbers:
            self._manager.delete(number)
        arguments = ocp.args.StandardSave(_flat(tree))
        self._manager.save(number, args=arguments, force=True, custom_metadata=dict(facts or {}))
        self._manager.wait_until_finished()
        for old in [n for n in self.numbers if n <= number][:-2]:
            if old not in keep:
                self._manager.delete(old)

    def restore(self, like: Any) -> tuple[int, Any]:
        """The newest checkpoint that can be read: its number and its tree, of NumPy arrays.

        Args:
            like: a tree of arrays, or of their shapes and types, that the checkpoint must have; or a dict of such trees
                by number, of which checkpoints one is wanted.

        Raises:
            UserError: it is of another model, or all are damaged.
        """
        likes = like if isinstance(like, dict) else dict.fromkeys(self.numbers, like)
        for number in sorted(likes, reverse=True):
            try:
                found = self._manager.restore(number, args=ocp.args.StandardRestore())
            except Exception as error:  # Orbax passes on whatever its storage layers raise
                logging.warning("%s: checkpoint %d is damaged (%s).", self.directory, number, _line(error))
                continue
            return number, self._fit(number, found, likes[number])
        raise UserError(
            f"{self.directory}: all checkpoints are damaged ({', '.join(map(str, likes))}). Delete these folders to "
            "train what they hold from its beginning."
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
        if self._manager is not None:
            self._manager.close()
