"""Descriptions of GPUs, against other figures of the same data sheets."""

import pytest

from dfuse_jax.bench.gpu.targets import TARGETS
from dfuse_jax.commands import benchmark_speed


@pytest.mark.parametrize(("name", "teraflops"), [("h100", 67), ("h200", 67), ("a100", 19.5), ("l4", 30.3), ("t4", 8.1)])
def test_units_and_clock_give_the_float32_operations_of_the_data_sheet(name, teraflops):
    gpu = TARGETS[name]
    multiply_and_add = 2
    operations = gpu.multiprocessors * gpu.lanes * multiply_and_add * gpu.clock_ghz * 1e9
    assert operations / 1e12 == pytest.approx(teraflops, rel=0.01)


def test_a_gpu_without_bfloat16_does_not_offer_it():
    assert {name for name, gpu in TARGETS.items() if "bfloat16" not in gpu.operations} == {"t4"}


def test_xla_is_told_what_the_data_sheet_says():
    words = TARGETS["l4"].description.split()
    for field, value in {
        "core_count:": "58",
        "device_memory_size:": "24000000000",
        "memory_bandwidth:": "300000000000",
        "major:": "8",
        "minor:": "9",
    }.items():
        assert words[words.index(field) + 1] == value


def test_the_command_knows_every_gpu():
    assert tuple(TARGETS) == benchmark_speed.TARGETS
