"""What the processes of a run tell each other: small things, through JAX's coordinator.

Training needs no collectives between devices, so a process that fails can tell the others why, where a collective would
leave them waiting. In a single process nothing here touches JAX, and every exchange is with oneself.
"""

import contextlib
import json
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from dfuse_jax.runtime.errors import UserError

PATIENCE_SECONDS = 3600  # that a process waits for what another has to say
_PART = 1 << 20  # bytes of a message
_FAILED = "dfuse/failed"

_count = 0  # exchanges so far
_own_keys: list[str] = []  # that this process has set and that may still be there


def size() -> int:
    """Returns the number of processes."""
    return _coordinator().size() if "jax" in sys.modules else 1


def rank() -> int:
    """Returns the number of this process, from 0."""
    return _coordinator().rank() if "jax" in sys.modules else 0


def first() -> bool:
    """Tells whether this is the process that prints and writes."""
    return rank() == 0


def say(line: str) -> None:
    """Prints a line, in that process."""
    if first():
        print(line, flush=True)


def processes_of_host() -> int:
    """Returns how many of the processes run on the host of this one."""
    hosts = exchange(socket.gethostname())
    return hosts.count(hosts[rank()])


def exchange(content: Any) -> list:
    """Returns what each process gave, in their order; waits for all of them.

    Args:
        content: lists, dicts, small arrays, numbers, strings.

    Raises:
        UserError: another process failed (with its message), or says nothing.
    """
    if size() == 1:
        return [content]
    read_by_all = list(_own_keys)
    key = _next_key()
    _send(f"{key}/{rank()}", content)
    contents = [_receive(f"{key}/{number}", number) for number in range(size())]
    for old in read_by_all:  # nobody would have come here without them
        _coordinator().delete(old)
        _own_keys.remove(old)
    return contents


def by_first(function: Callable, *arguments: Any) -> Any:
    """Calls `function` in process 0 alone; returns its result in all processes."""
    if size() == 1:
        return function(*arguments)
    key = _next_key()
    if not first():
        return _receive(key, 0)
    result = function(*arguments)
    _send(key, result)
    return result


def agree(what: str, content: Mapping) -> None:
    """Raises UserError if a process has another `content` (flat JSON) than process 0, and names what differs."""
    name = f"process {rank()} on {socket.gethostname()}"
    contents = exchange([name, json.loads(json.dumps(content))])
    first_name, expected = contents[0]
    for other_name, other in contents[1:]:
        differing = sorted(key for key in expected.keys() | other.keys() if expected.get(key) != other.get(key))
        if differing:
            fields = "; ".join(f"{key}: {expected.get(key)!r} there, {other.get(key)!r} here" for key in differing)
            raise UserError(f"{other_name} has another {what} than {first_name} ({fields}). Give all of them the same.")


def fail(error: BaseException | str) -> None:
    """Tells the other processes why this one ends; they end too, at their next exchange."""
    if size() > 1:
        text = str(error) if isinstance(error, UserError | str) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(Exception):  # it has told already, or the coordinator is gone
            _coordinator().put_text(f"{_FAILED}/{rank()}", f"process {rank()} on {socket.gethostname()}: {text}")


def _coordinator():
    from dfuse_jax.runtime import coordinator  # it imports JAX

    return coordinator


def _next_key() -> str:
    global _count
    _count += 1
    return f"dfuse/{_count}"


def _send(key: str, content: Any) -> None:
    """Stores a message in parts, each of which begins with whether it is the last."""
    from flax import serialization

    message = serialization.msgpack_serialize({"": content})
    starts = range(0, len(message), _PART)
    for number, start in enumerate(starts):
        mark = b"." if start == starts[-1] else b"+"
        _coordinator().put(f"{key}/{number}", mark + message[start : start + _PART])
    _own_keys.append(key)  # deleting it deletes its parts


def _receive(key: str, sender: int) -> Any:
    from flax import serialization

    parts = []
    while not parts or parts[-1][:1] != b".":
        parts.append(_wait(f"{key}/{len(parts)}", sender))
    return serialization.msgpack_restore(b"".join(part[1:] for part in parts))[""]


def _wait(key: str, sender: int) -> bytes:
    for _ in range(PATIENCE_SECONDS):
        part = _coordinator().wait(key, 1000)  # short, so that Ctrl-C is heard
        if part is not None:
            return part
        failures = _coordinator().texts(_FAILED)
        if failures:
            raise UserError(failures[min(failures)])
    raise UserError(f"process {sender} has said nothing for {PATIENCE_SECONDS} seconds.")
