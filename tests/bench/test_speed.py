"""The speed benchmark: its counts against XLA's, its arithmetic, its script. No test looks at a time."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scripts import launch

from dfuse_jax.bench import floor, speed
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.models.transformer import SpaceTime


def flops(f, *arguments) -> float:
    cost = jax.jit(f).lower(*arguments).compile().cost_analysis()
    return (cost[0] if isinstance(cost, list) else cost)["flops"]


def test_the_transformers_count_is_xlas():
    """Without the layer norms and activations, which XLA counts too: a few percent."""
    model = DFuseSmileNet()
    transformer = SpaceTime(model.depth, model.time_depth, model.heads, model.head_width, model.mlp, 0.0)
    x = jax.ShapeDtypeStruct((2, 16, model.tokens, model.width), jnp.float32)
    variables = jax.eval_shape(lambda key, x: transformer.init(key, x, False), jax.random.key(0), x)
    found = flops(lambda v, x: transformer.apply(v, x, False), variables, x)
    (part,) = [part for part in floor.forward(model, clips=2) if part.name == "transformer"]
    assert part.operations < found < 1.05 * part.operations


def test_counts_add_up():
    model = DFuseSmileNet()
    one, many = (floor.forward(model, clips=n) for n in (1, 16))
    np.testing.assert_allclose([16 * p.operations for p in one], [p.operations for p in many])
    (lpfa,) = [part for part in many if part.name == "LPFA"]
    edges = 16 * 16 * 478 * 20
    by_hand = sum(edges * (2 * c * c + 8 * c) + 2 * (edges / 20) * 6 * c for c in (16, 8, 32, 32))
    np.testing.assert_allclose(lpfa.operations, by_hand)
    training = floor.training(model, 1000)
    np.testing.assert_allclose(sum(p.operations for p in training), 3 * sum(p.operations for p in many) + 15_000)
    # 1 operation a second binds the first part, 1 byte a second the second.
    assert floor.floor([floor.Part("a", 5, 2), floor.Part("b", 1, 7)], 1, 1) == 12


def test_protocols_of_the_paper():
    """10 folds x 300 epochs x 69 steps are 207,000; at 3 ms each 10.35 minutes."""
    rows = [{"kind": kind, "dtype": "float32", "ms_fold_step": 3.0} for kind in speed.KINDS]
    found = {p["database"]: p for p in speed.projected(rows)}
    assert found["uva_nemo"]["fold_steps"] == 207_000
    assert found["uva_nemo"]["hours_published"] == pytest.approx(10.35 / 60)
    assert found["uva_nemo"]["hours_all"] > 2 * 0.9 * found["uva_nemo"]["hours_published"]
    assert speed.projected(rows[:1]) == []  # nothing evaluated fitted


def test_script(tmp_path):
    path = tmp_path / "new" / "speed.json"
    done = launch("benchmark_speed", "--quick", "--folds=1", "--dtypes=float32", "--json", path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "uva_nemo, float32" in done.stdout
    rows = json.loads(path.read_text())["rows"]
    assert [(row["kind"], row["folds"]) for row in rows] == [("training", 1), ("forward", 1)]
    assert all(row["ms_fold_step"] > 0 and row["memory_bytes"] > 0 for row in rows)
    assert rows[0]["memory_bytes"] > rows[1]["memory_bytes"]


@pytest.mark.parametrize(
    ("flag", "told"),
    [("--folds=1,x", "expected numbers"), ("--folds=0", "from 1 on"), ("--dtypes=float16", "float16 is not one of")],
)
def test_bad_flags(flag, told):
    done = launch("benchmark_speed", flag)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
