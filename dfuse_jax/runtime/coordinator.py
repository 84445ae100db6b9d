"""The key-value store of JAX's coordinator, which lives in process 0: the one place that uses private JAX.

JAX has no public way to read or write it (0.10). A test fails when JAX moves what is used here.
"""

import jax
from jax._src import distributed

_state = distributed.global_state


def size() -> int:
    """Returns the number of processes."""
    return _state.num_processes if jax.distributed.is_initialized() else 1


def rank() -> int:
    """Returns the number of this process, from 0."""
    return _state.process_id if jax.distributed.is_initialized() else 0


def _client():
    """Returns what speaks to the coordinator."""
    if _state.client is None:
        raise RuntimeError("this process has not joined any others.")
    return _state.client


def put(key: str, value: bytes) -> None:
    """Stores a value under a new key."""
    _client().key_value_set_bytes(key, value)


def put_text(key: str, value: str) -> None:
    """Stores a text under a new key, for `texts`."""
    _client().key_value_set(key, value)


def wait(key: str, milliseconds: int) -> bytes | None:
    """Returns the value of a key once it is there; None if that takes longer."""
    try:
        return _client().blocking_key_value_get_bytes(key, milliseconds)
    except jax.errors.JaxRuntimeError as error:
        if "DEADLINE_EXCEEDED" in str(error):
            return None
        raise


def texts(folder: str) -> dict[str, str]:
    """Returns the texts under all keys that begin with the folder's name."""
    return dict(_client().key_value_dir_get(folder))


def delete(key: str) -> None:
    """Deletes a key and those beneath it."""
    _client().key_value_delete(key)
