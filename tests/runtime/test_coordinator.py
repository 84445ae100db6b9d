"""The one place that uses private JAX: it fails here, with the name, when JAX moves what it uses."""

import pathlib
import re

import jax
import pytest
from jax._src import distributed
from jax._src.lib import _jax

import dfuse_jax
from dfuse_jax.runtime import coordinator


@pytest.mark.parametrize("name", ["client", "process_id", "num_processes"])
def test_the_state_has_what_is_read(name):
    assert hasattr(distributed.global_state, name)


@pytest.mark.parametrize(
    "name",
    ["key_value_set", "key_value_set_bytes", "blocking_key_value_get_bytes", "key_value_dir_get", "key_value_delete"],
)
def test_the_client_has_what_is_called(name):
    assert callable(getattr(_jax.DistributedRuntimeClient, name))


def test_a_single_process_is_the_first_of_one():
    assert not jax.distributed.is_initialized()
    assert (coordinator.rank(), coordinator.size()) == (0, 1)


def test_no_other_module_uses_private_jax():
    room = pathlib.Path(dfuse_jax.__file__).parent
    users = [path.name for path in room.rglob("*.py") if re.search(r"\bjax\._src|jax import _src", path.read_text())]
    assert users == ["coordinator.py"]
