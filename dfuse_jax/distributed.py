"""Several processes that work on one run, on one machine or many: who they are and what they tell each other.

They talk through the key-value store of JAX's coordinator, which lives in process 0. Training needs no collectives
between devices, so that a process that fails can tell the others why, where a collective would leave them waiting.
In a single process nothing here touches JAX: `size()` is 1 and every exchange is with oneself.
"""

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import serialization
from jax._src import distributed as _jax  # the store has no public name yet

from dfuse_jax.errors import UserError

CONNECT_SECONDS = 180  # within which all processes must have been started
HEARTBEAT_SECONDS = 60  # after which JAX ends all processes if one is gone without a word
PATIENCE_SECONDS = 3600  # that a process waits for what another has to say
_PART = 16 << 20  # bytes of a message
_FAILED = "dfuse/failed"

_count, _mine = 0, []  # exchanges so far; the keys that this process has set and that may still be there


def size() -> int:
    """The number of processes."""
    return _jax.global_state.num_processes if _jax.global_state.client is not None else 1


def rank() -> int:
    """The number of this process, from 0."""
    return _jax.global_state.process_id if _jax.global_state.client is not None else 0


def first() -> bool:
    """Whether this is the process that prints and writes."""
    return rank() == 0


def exchange(content: Any) -> list:
    """What each process gave, in their order; dicts and lists of arrays, numbers and strings. Waits for all of them.

    Raises:
        UserError: another process failed (with its message), or says nothing.
    """
    if size() == 1:
        return [content]
    old = list(_mine)
    key = _next()
    _send(f"{key}/{rank()}", serialization.msgpack_serialize({"": content}))
    found = [serialization.msgpack_restore(_receive(f"{key}/{number}", number))[""] for number in range(size())]
    for name in old:  # all have read those, or they would not have come here
        _jax.global_state.client.key_value_delete(name)
        _mine.remove(name)
    return found


def by_first(function: Callable, *arguments) -> Any:
    """What `function` returns in process 0, where alone it is called, in all processes."""
    if size() == 1:
        return function(*arguments)
    key = _next()
    if not first():
        return serialization.msgpack_restore(_receive(key, 0))[""]
    result = function(*arguments)
    _send(key, serialization.msgpack_serialize({"": result}))
    return result


def agree(what: str, content: Mapping) -> None:
    """Raises UserError if a process' `content` (JSON, flat) is another than process 0's, and names what differs."""
    name = f"process {rank()} on {socket.gethostname()}"
    (_, there), *others = found = exchange([name, json.loads(json.dumps(content))])
    for other, here in others:
        if differing := sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key)):
            fields = "; ".join(f"{key}: {there.get(key)!r} there, {here.get(key)!r} here" for key in differing)
            raise UserError(f"{other} has another {what} than {found[0][0]} ({fields}). Give all of them the same.")


def to_first(tree: Any) -> Any:
    """The processes' arrays end to end along their first axis in process 0; None in the others."""
    if size() == 1:
        return tree
    key, client = _next(), _jax.global_state.client
    leaves, structure = jax.tree.flatten(tree)
    if not first():
        for number, leaf in enumerate(leaves):
            _send(f"{key}/{rank()}/{number}", leaf.tobytes(), keep=False)
        return None
    for number, leaf in enumerate(leaves):
        parts = [leaf]
        for other in range(1, size()):
            content = _receive(f"{key}/{other}/{number}", other)
            parts.append(np.frombuffer(content, leaf.dtype).reshape(-1, *leaf.shape[1:]))
            client.key_value_delete(f"{key}/{other}/{number}")
        leaves[number] = np.concatenate(parts)
    return jax.tree.unflatten(structure, leaves)


def from_first(trees: list | None, like: Any) -> Any:
    """Of the trees of arrays that process 0 has, one for each process, the own one; `like` has its shapes and types."""
    if size() == 1:
        return trees[0]
    key = _next()
    if first():
        for other in range(1, size()):
            for number, leaf in enumerate(jax.tree.leaves(trees[other])):
                _send(f"{key}/{other}/{number}", np.ascontiguousarray(leaf).tobytes(), keep=False)
        return trees[0]
    leaves, structure = jax.tree.flatten(like)
    for number, leaf in enumerate(leaves):
        content = _receive(f"{key}/{rank()}/{number}", 0)
        leaves[number] = np.frombuffer(content, leaf.dtype).reshape(leaf.shape)
        _jax.global_state.client.key_value_delete(f"{key}/{rank()}/{number}")
    return jax.tree.unflatten(structure, leaves)


def fail(error: BaseException | str) -> None:
    """Tells the other processes why this one ends; they end too, at their next exchange."""
    if size() > 1:
        text = str(error) if isinstance(error, UserError | str) else f"{type(error).__name__}: {error}"
        text = f"process {rank()} on {socket.gethostname()}: {text}"
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # said already
            _jax.global_state.client.key_value_set(f"{_FAILED}/{rank()}", text)


def _next() -> str:
    global _count
    _count += 1
    return f"dfuse/{_count}"


def _send(key: str, content: bytes, *, keep: bool = True) -> None:
    """In parts of a message's size: each begins with whether it is the last."""
    parts = range(0, max(len(content), 1), _PART)
    for number, begin in enumerate(parts):
        last = b"." if begin == parts[-1] else b"+"
        _jax.global_state.client.key_value_set_bytes(f"{key}/{number}", last + content[begin : begin + _PART])
    if keep:
        _mine.append(key)  # a deleted key takes those beneath it along


def _receive(key: str, sender: int) -> bytes:
    content = []
    while not content or content[-1][:1] != b".":
        content.append(_wait(f"{key}/{len(content)}", sender))
    return b"".join(part[1:] for part in content)


def _wait(key: str, sender: int) -> bytes:
    client = _jax.global_state.client
    for _ in range(PATIENCE_SECONDS):
        try:
            return client.blocking_key_value_get_bytes(key, 1000)  # short, so that Ctrl-C is heard
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
        if failed := client.key_value_dir_get(_FAILED):
            raise UserError(min(failed)[1])
    raise UserError(f"process {sender} has said nothing for {PATIENCE_SECONDS} seconds.")


def _connect(coordinator: str | None, process_id: int | None, num_processes: int | None) -> None:
    """Joins the other processes of the flags or, without them, of a SLURM step; does nothing where there are none."""
    given = (coordinator, process_id, num_processes)
    arguments = {}
    if given != (None, None, None):
        if None in given:
            raise UserError("--coordinator, --process_id and --num_processes must be given together, or none of them.")
        if not (0 <= process_id < num_processes):
            raise UserError(
                f"--process_id is {process_id}; it must be from 0 to {num_processes - 1} (--num_processes)."
            )
        if not coordinator.rpartition(":")[0] or not coordinator.rpartition(":")[2].isdigit():
            raise UserError(f"--coordinator is {coordinator!r}; it must be HOST:PORT, a free port of process 0's host.")
        arguments = dict(zip(("coordinator_address", "process_id", "num_processes"), given, strict=True))
        arguments["cluster_detection_method"] = "deactivate"
    if (num_processes or int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))) < 2:
        return
    try:
        jax.distributed.initialize(
            **arguments, initialization_timeout=CONNECT_SECONDS, heartbeat_timeout_seconds=HEARTBEAT_SECONDS
        )
    except (jax.errors.JaxRuntimeError, RuntimeError) as error:
        where = f"--coordinator {coordinator}" if coordinator else "SLURM"
        raise UserError(f"{where}: the processes did not find each other ({str(error).splitlines()[0]}).") from error
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX has taken it for a service that is not used here


@contextlib.contextmanager
def joined(coordinator: str | None, process_id: int | None, num_processes: int | None):
    """Works with the other processes within the block; if one leaves it with an error, all do. Before any other JAX.

    Args:
        coordinator: HOST:PORT of process 0. None, as all three: what SLURM says, or one process alone.
        process_id: this one's, from 0.
        num_processes: how many there are.

    Raises:
        UserError: they do not find each other, or are not alike.
    """
    _connect(coordinator, process_id, num_processes)
    if size() == 1:
        yield
        return
    try:
        devices = jax.local_devices()
        alike = {"number of devices": len(devices), "device": devices[0].device_kind, "jax": jax.__version__}
        agree("setup", {**alike, "jax_enable_x64": jax.config.jax_enable_x64})
        yield
    except BaseException as error:
        fail("it was interrupted" if isinstance(error, KeyboardInterrupt) else error)
        raise
    finally:
        jax.distributed.shutdown()  # waits for the others
