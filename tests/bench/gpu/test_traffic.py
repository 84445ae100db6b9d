"""The counter of traffic and launches, on small programs with counts by hand.

tests/data/hlo/ holds programs as JAX 0.10.2 compiles them for an H100, less what nobody reads:

elementwise  sin(x) * y                                             x, y [1000]
slice        2 * x[i : i + 4] + 1                                   x [1000, 128]
gather       x[i]                                                   x [1000, 128], i [64]
loop         10 times, y[i] = i * sin(x), from zeros                x [128], y [10, 128]
matmul       a @ b                                                  a [256, 512], b [512, 1024]
switch       x @ x, cos(x) @ x.T, or x                              x [64, 64]
pallas       x * w + 1, the product in 8 blocks of 16 rows          x [128, 128], w [16, 128], which all blocks share
"""

import pathlib

import pytest

from dfuse_jax.bench.gpu import hlo, traffic
from dfuse_jax.bench.gpu.hlo import Array
from dfuse_jax.bench.gpu.traffic import part_of

DATA = pathlib.Path(__file__).parents[2] / "data" / "hlo"
FLOAT, INT = 4, 4


def count(name, **options):
    return traffic.count(hlo.parse((DATA / f"{name}.hlo").read_text()), **options)


def count_entry(*instructions, others=""):
    """Counts a program of these instructions, each written `opcode type (operands) attributes`."""
    lines = "\n".join(f"  {instruction}" for instruction in instructions)
    return traffic.count(hlo.parse(f"{others}\nENTRY %main () -> f32[] {{\n{lines}\n}}\n"))


@pytest.mark.parametrize(
    ("name", "launches", "moved"),
    [
        ("elementwise", 1, 3 * 1000 * FLOAT),  # x, y, result
        ("slice", 1, 2 * 4 * 128 * FLOAT + INT),  # 4 rows read, 4 written, one index
        ("gather", 1, 2 * 64 * 128 * FLOAT + 64 * INT),  # 64 rows read, 64 written, 64 indices
        ("matmul", 1, (256 * 512 + 512 * 1024 + 256 * 1024) * FLOAT),  # not cuBLAS's workspace of 32 MiB
    ],
)
def test_one_kernel(name, launches, moved):
    counted = count(name)
    assert (counted.launches, counted.bytes, counted.unknown_loops) == (launches, moved, 0)


def test_a_loop_counts_its_trips_and_an_update_only_its_rows():
    counted = count("loop")
    zeros = 10 * 128 * FLOAT
    start = 2 * INT  # the counter's first value is copied
    row = 2 * 128 * FLOAT + INT  # x is read, a row of y is written, i is read
    next_trip = 2 * INT
    assert counted.launches == 1 + 1 + 10 * 2
    assert counted.bytes == zeros + start + 10 * (row + next_trip)


def test_of_a_condition_the_branch_that_moves_most_counts():
    matrix = 64 * 64 * FLOAT
    index = 2 * INT  # clamped
    counted = count("switch")
    assert counted.launches == 1 + 2  # cos(x), then its product with x
    assert counted.bytes == index + 2 * matrix + 3 * matrix


def test_a_pallas_call_counts_its_blocks_times_its_grid():
    x, w = Array("f32", (128, 128)), Array("f32", (16, 128))
    plus_one = 2 * 128 * 128 * FLOAT
    instances, block = 8, 16 * 128 * FLOAT
    assert count("pallas", blocks={((x, w), (x,)): instances * 3 * block}).bytes == instances * 3 * block + plus_one
    assert count("pallas").bytes == (2 * 128 * 128 + 16 * 128) * FLOAT + plus_one  # where its blocks are not known


def test_a_loop_of_unknown_trips_counts_once_and_is_told():
    body = "%body (p: f32[8]) -> f32[8] {\n  %p = f32[8]{0} parameter(0)\n  ROOT %y = f32[8]{0} negate(%p)\n}\n"
    counted = count_entry(
        "%x = f32[8]{0} parameter(0)",
        "ROOT %loop = f32[8]{0} while(%x), condition=%test, body=%body",
        others=body,
    )
    assert (counted.unknown_loops, counted.launches, counted.bytes) == (1, 1, 2 * 8 * FLOAT)


def test_what_moves_nothing_is_no_kernel():
    counted = count_entry(
        "%x = f32[8]{0} parameter(0)",
        "%y = f32[2,4]{1,0} bitcast(%x)",
        "%pair = (f32[8]{0}, f32[2,4]{1,0}) tuple(%x, %y)",
        "ROOT %z = f32[8]{0} get-tuple-element(%pair), index=0",
    )
    assert (counted.launches, counted.bytes) == (0, 0)


def test_collectives_are_seen_once():
    counted = count_entry(
        "%x = f32[8]{0} parameter(0)",
        "%start = f32[8]{0} all-reduce-start(%x), replica_groups={{0,1}}, to_apply=%add",
        "%done = f32[8]{0} all-reduce-done(%start)",
        "ROOT %part = f32[4]{0} reduce-scatter(%done), replica_groups={{0,1}}, to_apply=%add",
    )
    assert counted.collectives == ["all-reduce-start", "reduce-scatter"]
    assert counted.launches == 2
    assert count("loop").collectives == []


def test_a_fusion_of_several_results_writes_all_and_an_operand_used_whole_is_read_whole():
    body = """
%fused (a: f32[100], i: s32[]) -> (f32[100], f32[10]) {
  %a = f32[100]{0} parameter(0)
  %i = s32[] parameter(1)
  %part = f32[10]{0} dynamic-slice(%a, %i), dynamic_slice_sizes={10}
  %all = f32[100]{0} negate(%a)
  ROOT %both = (f32[100]{0}, f32[10]{0}) tuple(%all, %part)
}
"""
    counted = count_entry(
        "%x = f32[100]{0} parameter(0)",
        "%i = s32[] parameter(1)",
        "ROOT %f = (f32[100]{0}, f32[10]{0}) fusion(%x, %i), kind=kLoop, calls=%fused",
        others=body,
    )
    assert counted.bytes == (100 + 100 + 10) * FLOAT + INT


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("jit(f)/vmap()/while/body/jvp(DFuseSmileNet)/DFuseSmileNet.encode/point_encoder/cic_3/lpfa/while/dot", "LPFA"),
        ("transpose(jvp(DFuseSmileNet))/DFuseSmileNet.encode/point_encoder/cic_0/grouping/while/body/mul", "walk"),
        ("DFuseSmileNet.encode/point_encoder/cic_1/aggregation/merge_norm/mul", "aggregation"),
        ("DFuseSmileNet.encode/point_encoder/cic_1/while/body/checkpoint/dot_general", "maps of points"),
        ("DFuseSmileNet.encode/point_encoder/entry/gather", "entry"),
        ("DFuseSmileNet.encode/point_encoder/edge_moments/dot_general", "entry"),
        ("DFuseSmileNet.encode/point_encoder/while/body/dot_general", "exit"),
        ("DFuseSmileNet.encode/nt,mnc->mtc/dot_general", "tokens"),
        ("DFuseSmileNet.encode/tokens_norm/mul", "tokens"),
        ("DFuseSmileNet.encode/transformer/space_time_0/attention/qkv/dot_general", "transformer"),
        ("jit(f)/vmap()/while/body/optimizer/add", "AdamW"),
        ("DFuseSmileNet.classify/fusion/x_map/dot_general", "rest"),
        ("", "rest"),
    ],
)
def test_parts_of_the_network(path, part):
    assert part_of(path) == part


def test_parts_add_up():
    counted = count("loop")
    assert sum(moved for moved, _ in counted.by_part().values()) == counted.bytes
    assert sum(launches for _, launches in counted.by_part().values()) == counted.launches
