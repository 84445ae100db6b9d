"""What a choice of fusion means in parameters, counted from the modules themselves without running them."""

import functools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.fusion import FUSIONS, get


def shapes(module: nn.Module, *inputs, **settings) -> dict[str, tuple[int, ...]]:
    """Shapes of a module's variables by path, such as params/head/kernel; `settings` go to `init`."""
    variables = jax.eval_shape(functools.partial(module.init, **settings), jax.random.key(0), *inputs)
    return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(variables, sep="/").items()}


@functools.lru_cache(maxsize=8)
def encoder_shapes(model: DFuseSmileNet) -> dict[str, tuple[int, ...]]:
    """Of the encoder, which is the same for all fusions."""
    return shapes(model, jnp.zeros((1, 1, 478, 3)), method="encode")


def classifier_shapes(model: DFuseSmileNet) -> dict[str, tuple[int, ...]]:
    """Of what follows the encoder: the fusion, a LayerNorm and a Linear."""
    return shapes(model, jnp.zeros((1, 1, model.width)), jnp.zeros((1, 225)), method="classify")


def learnt(shapes: dict[str, tuple[int, ...]]) -> int:
    """How many numbers of them are learnt."""
    return sum(math.prod(shape) for path, shape in shapes.items() if path.startswith("params/"))


def fusion_parameters(name: str, width: int = 256, variant: str = "paper") -> int:
    """How many numbers a fusion learns, its maps of H and Z included."""
    module = get(name).module(width, 0.0, variant)
    return learnt(shapes(module, jnp.zeros((1, 1, width)), jnp.zeros((1, 225)), train=False))


def table(**settings) -> str:
    """All fusions, a line each: name, equations, parameters of the fusion and of the whole model, what it does.

    Args:
        **settings: of `DFuseSmileNet`, where they are not the paper's.
    """
    model = DFuseSmileNet(**{**settings, "fusion": "none"})
    rest = learnt(encoder_shapes(model)) + learnt(classifier_shapes(model))
    lines = [f"{'fusion':<29}{'eqs.':<7}{'its own':>11}{'model':>12}"]
    for name, fusion in FUSIONS.items():
        own = fusion_parameters(name, model.width, model.variant)
        lines.append(f"{name:<29}{fusion.equations or '-':<7}{own:>11,}{rest + own:>12,}  {fusion.line}")
    return "\n".join(lines)
