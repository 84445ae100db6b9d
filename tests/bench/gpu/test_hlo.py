"""The reader of optimised HLO, on texts whose content is known."""

import jax
import jax.numpy as jnp
import pytest

from dfuse_jax.bench.gpu import hlo
from dfuse_jax.bench.gpu.hlo import Array

TEXT = """
%body (arg: (s32[], bf16[3,4])) -> (s32[], bf16[3,4]) {
  ROOT %arg = (s32[], /*index=1*/bf16[3,4]{1,0:T(8,128)}) parameter(0)
}

ENTRY %main.1 (x.1: bf16[3,4]) -> bf16[3,4] {
  %x.1 = bf16[3,4]{1,0} parameter(0), metadata={op_name="x"}
  %loop.2 = (s32[], bf16[3,4]{1,0}) while(%x.1), body=%body, backend_config={"known_trip_count":{"n":"7"}}
  ROOT %sum.3 = bf16[3,4]{1,0} add(%x.1, %x.1), metadata={op_name="jit(f)/net/lpfa/add"}
}
"""


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [
        ("f32", (2, 3), 24),
        ("bf16", (2, 3), 12),
        ("pred", (5,), 5),
        ("s4", (3,), 2),
        ("f8e4m3fn", (7,), 7),
        ("c64", (), 8),
    ],
)
def test_sizes_of_arrays(dtype, shape, size):
    assert Array(dtype, shape).bytes == size


def test_a_text_is_read_as_it_stands():
    module = hlo.parse(TEXT)
    assert module.entry == "main.1"
    x, loop, total = module.computations["main.1"].values()
    assert (x.opcode, x.arguments, x.op_name, x.root) == ("parameter", "0", "x", False)
    assert (loop.operands, loop.trip_count, loop.calls("body")) == (("x.1",), 7, ["body"])
    assert loop.arrays == (Array("s32", ()), Array("bf16", (3, 4)))
    assert loop.bytes == 4 + 24
    assert (total.operands, total.op_name) == (("x.1", "x.1"), "jit(f)/net/lpfa/add")
    assert total.root
    assert total.trip_count is None
    (argument,) = module.computations["body"].values()
    assert argument.arrays == loop.arrays


def test_what_is_compiled_here_is_read_too():
    compiled = jax.jit(lambda x: jnp.sin(x) @ x).lower(jax.ShapeDtypeStruct((8, 8), jnp.float32)).compile()
    module = hlo.parse(compiled.as_text())
    (parameter,) = (i for i in module.computations[module.entry].values() if i.opcode == "parameter")
    assert parameter.arrays == (Array("f32", (8, 8)),)


def test_another_text_is_refused():
    with pytest.raises(ValueError, match="no entry computation"):
        hlo.parse("a log\n")
