"""Several processes that work on one run, on one machine or many: who they are and what they tell each other.

They talk through the key-value store of JAX's coordinator, which lives in process 0. Training needs no collectives
between devices, so that a process that fails can tell the others why, where a collective would leave them waiting.
In a single process nothing here touches JAX: `size()` is 1 and every exchange is with oneself.
"""

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import serialization
from jax._src import distributed as _jax  # the store has no public name yet

from dfuse_jax.runtime.errors import UserError

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


def say(line: str) -> None:
    """Prints a line, in that process."""
    if first():
        print(line, flush=True)


def of_host() -> int:
    """How many of the processes run on the host of this one."""
    hosts = exchange(socket.gethostname())
    return hosts.count(hosts[rank()])


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
