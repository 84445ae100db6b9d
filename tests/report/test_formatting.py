"""How numbers and hardware are written."""

import pytest

from dfuse_jax.report import formatting


def test_numbers():
    assert formatting.percent(0.75) == "75.0" and formatting.percent(None) == "-"
    assert formatting.estimate({"mean": 0.75, "low": 0.601, "high": 0.899}) == "75.0 [60.1, 89.9]"
    assert formatting.estimate({"mean": 0.75, "low": None, "high": None}) == "75.0"
    assert formatting.format_number(1234, ",") == "1,234" and formatting.format_number(None, ",") == "-"


@pytest.mark.parametrize(("values", "text"), [([12, 12], "12"), ([40, 12, 20], "12-40"), ([], "-")])
def test_a_range_is_one_number_where_all_are_equal(values, text):
    assert formatting.value_range(values) == text


def test_counts_are_singular_or_plural():
    assert [formatting.count(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [formatting.count(n, "process", "processes") for n in (1, 2)] == ["1 process", "2 processes"]


def test_hardware():
    cpu = {"platform": "cpu", "device_kind": "cpu", "devices": 1, "processes": 1}
    assert formatting.hardware({**cpu, "model_dtype": "float32", "jax_enable_x64": True}) == (
        "1 device (cpu), 1 process, float32, 64-bit JAX"
    )
    assert formatting.hardware({**cpu, "model_dtype": None, "jax_enable_x64": False}) == "1 device (cpu), 1 process"
    gpus = {"platform": "gpu", "device_kind": "NVIDIA H100 80GB HBM3", "devices": 8, "processes": 2}
    assert formatting.hardware({**gpus, "model_dtype": "bfloat16", "jax_enable_x64": False}) == (
        "8 devices (gpu: NVIDIA H100 80GB HBM3), 2 processes, bfloat16"
    )
