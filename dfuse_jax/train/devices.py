"""Where replicas are: spread over the devices of all processes, one program on each device of this one.

The replicas of a pass fill slots. Every device has equally many, in the order of processes and their devices, so a
tree of replicas [R, ...] lies on this process' devices as [devices, slots of a device, ...], which is what `jax.pmap`
maps over.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

_AXIS = "devices"


@dataclasses.dataclass(frozen=True)
class Placement:
    """The slots of a pass.

    Attributes:
        devices: of this process.
        slots: of each device.
        process: the number of this process, from 0.
        processes: how many there are, each with as many devices.
    """

    devices: tuple[jax.Device, ...]
    slots: int
    process: int = 0
    processes: int = 1

    @property
    def total(self) -> int:
        """The slots of all processes."""
        return self.slots * len(self.devices) * self.processes

    def replicate(self, tree: Any) -> Any:
        """Returns the tree with a copy of every array on each device of this process."""
        return jax.device_put(tree, self._replicated)

    def spread(self, tree: Any) -> Any:
        """Puts the replicas [R, ...] of a tree on the host into the slots of this process; the last one fills up."""
        first = self.process * self.slots * len(self.devices)
        slot = first + np.arange(self.slots * len(self.devices)).reshape(len(self.devices), self.slots)
        rows = jax.tree.map(lambda x: np.asarray(x)[np.minimum(slot, len(x) - 1)], tree)
        return jax.device_put(rows, self._sharded)

    def fetch(self, tree: Any) -> Any:
        """Returns the slots of this process on the host: [slots of the process, ...]."""
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), jax.device_get(tree))

    def map(self, function: Callable, *, in_axes: tuple[int | None, ...], donate: tuple[int, ...] = ()) -> Callable:
        """Returns one program for all devices of this process; arguments of axis None must be replicated."""
        return jax.pmap(function, _AXIS, in_axes=in_axes, devices=self.devices, donate_argnums=donate)

    def join(self, tree: Any) -> Any:
        """Returns slots as arrays [slots of all processes, ...] over all devices, in the same memory.

        Checkpoints are written of these. The tree itself is used up.
        """
        return jax.tree.map(self._global, _reshape(self._sharded, -1)(tree))

    def split(self, tree: Any) -> Any:
        """Is the inverse of `join`, and uses up its tree likewise."""
        return _reshape(self._sharded, len(self.devices), self.slots)(jax.tree.map(self._local, tree))

    def global_shape(self, like: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        """Returns what `join` makes of a replica's array: its shape, type and place."""
        return jax.ShapeDtypeStruct((self.total, *like.shape), like.dtype, sharding=self._everywhere)

    @property
    def _replicated(self) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), (_AXIS,)), PartitionSpec())

    @property
    def _sharded(self) -> NamedSharding:
        return NamedSharding(Mesh(np.array(self.devices), (_AXIS,)), PartitionSpec(_AXIS))

    @property
    def _everywhere(self) -> NamedSharding:
        if self.processes == 1:
            return self._sharded
        devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
        return NamedSharding(Mesh(np.array(devices), (_AXIS,)), PartitionSpec(_AXIS))

    def _global(self, x: jax.Array) -> jax.Array:
        parts = [shard.data for shard in x.addressable_shards]
        return jax.make_array_from_single_device_arrays((self.total, *x.shape[1:]), self._everywhere, parts)

    def _local(self, x: jax.Array) -> jax.Array:
        parts = [shard.data for shard in x.addressable_shards]
        shape = (self.slots * len(self.devices), *x.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, self._sharded, parts)


@functools.cache
def _reshape(sharding: NamedSharding, *slots: int) -> Callable[[Any], Any]:
    """Returns what lays out the slots of a tree anew, in the same memory: [slots, ...] or [devices, slots, ...]."""

    def reshape(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.reshape(*slots, *x.shape[2 if len(slots) == 1 else 1 :]), tree)

    return jax.jit(reshape, donate_argnums=0, out_shardings=sharding)
