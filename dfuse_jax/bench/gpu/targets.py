"""GPUs as XLA's compiler sees them, from their data sheets: none of them need be here.

Memory, bandwidth and operations a second are those of NVIDIA's data sheets "H100 Tensor Core GPU" (SXM5), "H200 Tensor
Core GPU" (SXM5), "A100 Tensor Core GPU" (80 GB, SXM4), "L4 Tensor Core GPU" and "T4 Tensor Core GPU", without sparsity;
the T4's bandwidth is that of its product brief PB-09256. Multiprocessors, clocks and caches are those of the
architectures' white papers (Hopper, Ampere, Ada, Turing); the limits of a multiprocessor stand in the CUDA C++
Programming Guide, "Technical Specifications per Compute Capability".
"""

import dataclasses
import os
from collections.abc import Mapping

import jax
from jax.experimental import topologies

from dfuse_jax.runtime.errors import UserError


@dataclasses.dataclass(frozen=True)
class Target:
    """A GPU.

    Attributes:
        name: as its driver calls it.
        capability: compute capability.
        multiprocessors: how many it has.
        lanes: float32 operations that a multiprocessor starts in a cycle.
        threads: most of a multiprocessor.
        shared_memory: bytes of a multiprocessor.
        block_shared_memory: most bytes of it that one block can ask for.
        cache: bytes of the second level.
        clock_ghz: at most.
        memory: bytes, a GB being 10^9; the driver reports some percent more.
        bandwidth: bytes a second.
        operations: a second in matrix products, by precision. That of float32 is TF32's where there is TF32, which JAX
            uses by default. A precision that is not named is not offered.
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    lanes: int
    threads: int
    shared_memory: int
    block_shared_memory: int
    cache: int
    clock_ghz: float
    memory: int
    bandwidth: float
    operations: Mapping[str, float]

    @property
    def description(self) -> str:
        """A GpuTargetConfigProto as text, for XLA's compiler."""
        major, minor = self.capability
        return f"""
            gpu_device_info {{
              threads_per_block_limit: 1024
              threads_per_warp: 32
              shared_memory_per_block: 49152
              shared_memory_per_core: {self.shared_memory}
              threads_per_core_limit: {self.threads}
              core_count: {self.multiprocessors}
              fpus_per_core: {self.lanes}
              block_dim_limit_x: 2147483647
              block_dim_limit_y: 65535
              block_dim_limit_z: 65535
              memory_bandwidth: {self.bandwidth:.0f}
              l2_cache_size: {self.cache}
              clock_rate_ghz: {self.clock_ghz}
              device_memory_size: {self.memory}
              shared_memory_per_block_optin: {self.block_shared_memory}
              cuda_compute_capability {{ major: {major} minor: {minor} }}
              registers_per_core_limit: 65536
              registers_per_block_limit: 65536
            }}
            platform_name: "CUDA"
            dnn_version_info {{ major: 9 minor: 8 }}
            runtime_version {{ major: 12 minor: 9 }}
            device_description_str: "{self.name}"
        """


_H100 = Target(
    name="NVIDIA H100 80GB HBM3",
    capability=(9, 0),
    multiprocessors=132,
    lanes=128,
    threads=2048,
    shared_memory=228 << 10,
    block_shared_memory=227 << 10,
    cache=50 << 20,
    clock_ghz=1.98,
    memory=80 * 10**9,
    bandwidth=3.35e12,
    operations={"float32": 494.7e12, "bfloat16": 989.4e12},
)

TARGETS = {
    "h100": _H100,
    "h200": dataclasses.replace(_H100, name="NVIDIA H200", memory=141 * 10**9, bandwidth=4.8e12),
    "a100": Target(
        name="NVIDIA A100-SXM4-80GB",
        capability=(8, 0),
        multiprocessors=108,
        lanes=64,
        threads=2048,
        shared_memory=164 << 10,
        block_shared_memory=163 << 10,
        cache=40 << 20,
        clock_ghz=1.41,
        memory=80 * 10**9,
        bandwidth=2.039e12,
        operations={"float32": 156e12, "bfloat16": 312e12},
    ),
    "l4": Target(
        name="NVIDIA L4",
        capability=(8, 9),
        multiprocessors=58,
        lanes=128,
        threads=1536,
        shared_memory=100 << 10,
        block_shared_memory=99 << 10,
        cache=48 << 20,
        clock_ghz=2.04,
        memory=24 * 10**9,
        bandwidth=300e9,
        operations={"float32": 60e12, "bfloat16": 121e12},
    ),
    "t4": Target(
        name="Tesla T4",
        capability=(7, 5),
        multiprocessors=40,
        lanes=64,
        threads=1024,
        shared_memory=64 << 10,
        block_shared_memory=64 << 10,
        cache=4 << 20,
        clock_ghz=1.59,
        memory=16 * 10**9,
        bandwidth=320e9,
        operations={"float32": 8.1e12},  # Turing has neither bfloat16 nor TF32
    ),
}


def devices(target: Target, number: int) -> tuple[jax.Device, ...]:
    """Returns the devices of a machine that has so many of these GPUs: programs can be compiled for them, not run.

    JAX must not have looked for devices yet. From now on it uses this machine's CPU alone, and keeps nothing of what
    it compiles, so that compilations can be timed.

    Raises:
        UserError: JAX has no plugin for CUDA.
    """
    os.environ["JAX_SKIP_CUDA_CONSTRAINTS_CHECK"] = "1"  # it would ask the driver
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        topology = topologies.get_topology_desc(
            platform="cuda", target_config=target.description, topology=f"1x1x{number}"
        )
    except NotImplementedError as error:
        text = 'compiling for a GPU needs JAX\'s plugin for CUDA: pip install "dfuse_jax[gpu]".'
        raise UserError(text) from error
    return tuple(topology.devices)
