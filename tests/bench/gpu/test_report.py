"""What the report makes of a compiled program, with figures by hand; and all of it for a described H100."""

import importlib.util
import json

import pytest
import toys
from scripts import launch

from dfuse_jax import systems
from dfuse_jax.bench.floor import Part
from dfuse_jax.bench.gpu import report
from dfuse_jax.bench.gpu.hlo import Array, Instruction
from dfuse_jax.bench.gpu.programs import Compiled
from dfuse_jax.bench.gpu.targets import Target
from dfuse_jax.bench.gpu.traffic import Kernel, Traffic
from dfuse_jax.runtime import recipes
from dfuse_jax.runtime.errors import UserError

HAS_PLUGIN = importlib.util.find_spec("jax_cuda12_plugin") is not None
GPU = Target(
    name="a slow card",
    capability=(9, 0),
    multiprocessors=1,
    lanes=1,
    threads=1,
    shared_memory=1,
    block_shared_memory=1,
    cache=1,
    clock_ghz=1.0,
    memory=1000,
    bandwidth=10.0,
    operations={"float32": 2.0},
)
COPY = Instruction("copy.1", "copy", (Array("f32", (8,)),), ("x",), "%x", "", True)


def compiled(temporary=300, **counts):
    kernels = [Kernel(COPY, launches=3, bytes=100, part="LPFA"), Kernel(COPY, launches=1, bytes=20, part="rest")]
    traffic = Traffic(kernels, **{"unknown_loops": 0, **counts})
    memory = {"arguments": 400, "shared": 350, "results": 50, "temporary": temporary}
    return Compiled(text="", **memory, seconds=7.0, cpu_seconds=9.0, traffic=traffic)


def figures(*parts, **options):
    return report.figures(compiled(**options), GPU, 2, parts, operations_per_s=2.0)


def test_the_floor_is_the_longest_of_memory_launches_and_arithmetic():
    row = figures(Part("LPFA", operations=6, bytes=20))
    assert (row["traffic_bytes"], row["launches"]) == (120, 4)
    assert row["memory_s"] == row["floor_s"] == 12  # 120 bytes at 10 a second
    assert row["launches_s"] == [4 * 2e-6, 4 * 4e-6]
    assert row["arithmetic_s"] == 3  # 6 operations at 2 a second
    assert row["least_s"] == 3  # its 20 bytes would take 2
    assert row["share"] == 3 / 12
    assert figures(Part("LPFA", operations=100, bytes=20))["floor_s"] == 50


def test_it_fits_into_three_quarters_of_the_card():
    assert figures(temporary=300)["fits"]  # 400 + 50 + 300 of 750 bytes
    assert not figures(temporary=301)["fits"]
    assert figures(temporary=100)["folds_that_fit"] == 4  # beside the 350 bytes that they share, 100 each
    assert figures(temporary=301)["folds_that_fit"] == 1
    assert "DOES NOT FIT" in report.describe(figures(temporary=301) | {"kind": "", "folds": 1, "dtype": ""}, GPU)


def test_parts_stand_beside_their_least():
    row = figures(Part("LPFA", operations=6, bytes=20)) | {"kind": "training", "folds": 10, "dtype": "float32"}
    assert row["parts"][0] == {"part": "LPFA", "traffic_bytes": 100, "launches": 3, "least_bytes": 20}
    assert row["parts"][1]["least_bytes"] is None
    words = report.describe(row, GPU)
    assert "training, 10 folds at once, float32" in words
    assert "20%" in words
    assert "collectives  none" in words
    assert "unknown" not in words
    assert "2 loops" in report.describe(row | {"unknown_loops": 2}, GPU)


def test_the_least_of_ten_folds_is_ten_times_that_of_one():
    system = systems.build(recipe())
    one, ten = (report.least(system, "training", "bfloat16", folds) for folds in (1, 10))
    assert [10 * part.bytes for part in one] == [part.bytes for part in ten]
    assert {part.name for part in one} > {part.name for part in report.least(system, "forward", "bfloat16", 1)}


def test_what_has_no_count_is_refused():
    pixels = toys.build_pixels(toys.recipe("pixels").to_dict())
    with pytest.raises(UserError, match="pixels: only"):
        report.least(pixels, "training", "float32", 1)


def test_a_precision_that_the_gpu_lacks_is_refused():
    with pytest.raises(UserError, match="Tesla T4 computes in float32, not in bfloat16"):
        report.run(recipe(), "t4", folds=[1], dtypes=["bfloat16"])


def recipe():
    spec = importlib.util.spec_from_file_location("hadamard", recipes.folder() / "hadamard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config("uva_nemo").to_dict()


@pytest.mark.slow
@pytest.mark.skipif(not HAS_PLUGIN, reason="needs the extra [gpu]: JAX's plugin for CUDA")
def test_on_eight_cards_no_device_waits_for_another(tmp_path):
    path = tmp_path / "h100.json"
    flags = ("--quick", "--folds=2", "--dtypes=bfloat16", "--devices=8")
    done = launch("benchmark_speed", "--target=h100", *flags, "--json", path, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "collectives  none" in done.stdout
    assert "Projection, bfloat16: the whole protocol (10 runs of 10 folds" in done.stdout
    result = json.loads(path.read_text())
    assert result["devices"] == 8
    assert [(row["kind"], row["collectives"]) for row in result["rows"]] == [("training", []), ("forward", [])]
    assert all(row["fits"] and row["launches"] > 50 for row in result["rows"])


@pytest.mark.skipif(HAS_PLUGIN, reason="JAX's plugin for CUDA is here")
def test_without_the_plugin_one_line_says_what_to_install():
    done = launch("benchmark_speed", "--target=h100", "--quick", "--folds=1")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith('pip install "dfuse_jax[gpu]".')
    assert "Traceback" not in done.stderr
