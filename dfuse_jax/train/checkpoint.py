"""Checkpoints of a training run, written by Orbax: whole or not there, whenever a process dies.

Every process writes and reads the replicas on its own devices; so all must see the folder.
"""

import contextlib
import errno
import logging
import pathlib
from collections.abc import Container, Iterator, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from absl import logging as absl_logging

from dfuse_jax.runtime import formats, messages
from dfuse_jax.runtime.errors import UserError

FORMAT = 1  # of a checkpoint; version 0.1 wrote none


class Checkpoints:
    """Numbered checkpoints in a folder, each with a state and a history.

    A state is a tree of arrays [replicas, ...] over the devices of all processes; a history is a tree of arrays on the
    host, the same in all processes. A checkpoint may be read on other devices than it was written on: where there are
    more places than replicas, the last ones are zeros.
    """

    def __init__(self, directory, *, every: int = 1):
        """Opens the folder, which must exist; training saves `every` so many epochs."""
        self.every = every
        self.directory = pathlib.Path(directory).absolute()
        everyone = set(range(messages.size()))
        self._writer = _manager(self.directory, everyone, primary=0, prefix="write")
        self._reader = _manager(self.directory, {messages.rank()}, primary=None, prefix=f"read-{messages.rank()}")

    @property
    def numbers(self) -> list[int]:
        """The numbers of all checkpoints, ascending."""
        return sorted(self._writer.all_steps())

    @property
    def description(self) -> Mapping:
        """What was said of the newest checkpoint that is not damaged; {} if there is none."""
        for number in reversed(self.numbers):
            with _quiet(), contextlib.suppress(Exception):  # Orbax passes on whatever its storage layers raise
                described = self._reader.metadata(number).custom_metadata or {}
                return {key: value for key, value in described.items() if key != "format"}
        return {}

    def save(
        self,
        number: int,
        state: Any,
        history: Any,
        *,
        keep: Container[int] = (),
        description: Mapping | None = None,
    ) -> None:
        """Writes a checkpoint; all processes must call it alike.

        Args:
            number: a checkpoint of this number, which must be a damaged one, gives way.
            state: arrays over the devices of all processes.
            history: arrays on the host.
            keep: lower numbers whose checkpoints stay; of the others this one and the one before do.
            description: JSON that describes it.

        Raises:
            UserError: it cannot be written.
        """
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_by_name(state)), history=ocp.args.StandardSave(_by_name(history))
        )
        with _quiet():
            try:
                if number in self.numbers:
                    self._writer.delete(number)
                self._writer.save(
                    number, args=items, force=True, custom_metadata={**(description or {}), "format": FORMAT}
                )
                self._writer.wait_until_finished()
                for old in [n for n in self.numbers if n <= number][:-2]:
                    if old not in keep:
                        self._writer.delete(old)
            except Exception as error:  # Orbax passes on whatever its storage layers raise
                raise UserError(
                    f"{self.directory}: checkpoint {number} cannot be written ({_reason(error)}). What was saved "
                    "before is kept: make room and train again, which goes on from there."
                ) from error

    def restore(self, number: int, *, state: Any = None, history: Any = None) -> tuple[Any, Any] | None:
        """Reads a checkpoint, in this process alone.

        Args:
            number: of the checkpoint.
            state: a tree of `jax.ShapeDtypeStruct` with shardings, as the state is to be read; None: not at all.
            history: a tree of arrays like those that the checkpoint must hold; None: it is not read.

        Returns:
            The state and the history, each None if it was not wanted; or None if the checkpoint is damaged.

        Raises:
            UserError: it is of another version, of another model or of other folds.
        """
        try:
            with _quiet():
                self._check_format(number)
                return self._read(number, "state", state), self._read(number, "history", history)
        except UserError:
            raise
        except Exception as error:  # Orbax passes on whatever its storage layers raise
            absl_logging.warning("%s: checkpoint %d is damaged (%s).", self.directory, number, _reason(error))
            return None

    def close(self) -> None:
        """Gives back what Orbax holds."""
        self._writer.close()
        self._reader.close()

    def _check_format(self, number: int) -> None:
        """Raises UserError if a checkpoint is of another version; Orbax says that it has no metadata by None."""
        described = self._reader.metadata(number).custom_metadata
        if described is not None:
            formats.require(
                self.directory / str(number),
                described.get("format"),
                FORMAT,
                changed="since 0.2 the features that it was trained on and the layout of its arrays are different",
                advice="Train again into a new folder.",
                remedy="new_run",
            )

    def _read(self, number: int, item: str, like: Any) -> Any:
        """Reads an item in the layout of `like`; None if that is None."""
        if like is None:
            return None
        names = _by_name(like)
        self._compare(number, self._reader.item_metadata(number)[item], names, rows=item == "history")
        target = ocp.args.StandardRestore({name: _target(leaf) for name, leaf in names.items()}, strict=False)
        leaves = self._reader.restore(number, args=ocp.args.Composite(**{item: target}))[item]
        return jax.tree.unflatten(jax.tree.structure(like), [leaves[name] for name in names])

    def _compare(self, number: int, saved: Mapping, wanted: Mapping, *, rows: bool) -> None:
        """Raises UserError if the saved arrays are others; `rows` says whether their first axes must agree too."""
        for name in sorted(saved.keys() ^ wanted.keys()):
            raise self._other(number, f"{name} is in only one of the two")
        for name, leaf in wanted.items():
            there, here = tuple(saved[name].shape), tuple(leaf.shape)
            if there[0 if rows else 1 :] != here[0 if rows else 1 :]:
                raise self._other(number, f"{name} is {there} there and {here} here")

    def _other(self, number: int, difference: str) -> UserError:
        return UserError(
            f"{self.directory}: checkpoint {number} is of another architecture or other folds ({difference}). Train "
            "with what it was made with, or into another folder."
        )


def _manager(directory: pathlib.Path, processes: set[int], *, primary: int | None, prefix: str):
    together = ocp.options.MultiprocessingOptions(
        primary_host=primary, active_processes=processes, barrier_sync_key_prefix=f"dfuse-{prefix}"
    )
    # Synchronous: the state that is written is the one that the next epoch changes in place.
    options = ocp.CheckpointManagerOptions(
        create=False, enable_async_checkpointing=False, multiprocessing_options=together
    )
    handlers = {item: ocp.StandardCheckpointHandler(multiprocessing_options=together) for item in ("state", "history")}
    return ocp.CheckpointManager(directory, options=options, item_handlers=handlers)


def _by_name(tree: Any) -> dict[str, Any]:
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _target(leaf: Any) -> Any:
    """Returns what Orbax reads a leaf into: an array on devices where a sharding is given, else one on the host."""
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct) else np.empty(leaf.shape, leaf.dtype)


def _reason(error: BaseException) -> str:
    """Returns what went wrong in a few words."""
    text = str(error)
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left" in text or "RESOURCE_EXHAUSTED" in text:
        return "no space left on the device"
    return text.splitlines()[0][:200] if text else type(error).__name__


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Orbax's threads from logging a traceback for each of hundreds of arrays: one error tells it all."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
