"""AdamW for a GPU: all parameters in a few kernels, where XLA would launch one for every dozen.

The numbers are optax's up to rounding. A step reads gradients, parameters and both moments once, and writes the last
three in place. On a CPU the kernels are interpreted, which is for tests alone.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Bool, Float

_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8  # decay of the moments; optax's defaults
_BLOCK = 1024  # values of an array that a program updates
_ARRAYS = 41  # parameters in a launch: compilation takes more than twice as long for twice as many


def update(
    gradient: Any,
    state: optax.ScaleByAdamState,
    params: Any,
    *,
    rate: Float[Array, ""],
    weight_decay: Float[Array, ""] | float,
    pending: Bool[Array, ""],
) -> tuple[Any, optax.ScaleByAdamState]:
    """Takes a step of `optax.adamw`, or none.

    Args:
        gradient: tree of arrays, as all trees here.
        state: of `optax.scale_by_adam`.
        params: of the same types.
        rate: learning rate.
        weight_decay: times the learning rate.
        pending: whether there is a step to take; if not, nothing changes.

    Returns:
        The new parameters and the new state.
    """
    structure = jax.tree.structure(params)
    trees = [jax.tree.leaves(tree) for tree in (gradient, params, state.mu, state.nu)]
    precision = jnp.result_type(*trees[0])
    count = optax.safe_increment(state.count)
    corrections = [1 / (1 - decay**count) for decay in (_FIRST, _SECOND)]
    scalars = jnp.stack([jnp.asarray(x, precision) for x in (rate, weight_decay, *corrections, pending)])
    updated = [[], [], []]
    for start in range(0, len(trees[0]), _ARRAYS):
        launched = _launch(scalars, [tree[start : start + _ARRAYS] for tree in trees])
        updated = [before + new for before, new in zip(updated, launched, strict=True)]
    params, mu, nu = (jax.tree.unflatten(structure, leaves) for leaves in updated)
    return params, optax.ScaleByAdamState(jnp.where(pending, count, state.count), mu, nu)


def _launch(scalars: Float[Array, "5"], trees: Sequence[list[Array]]) -> list[list[Array]]:
    """Returns parameters, first and second moments after the step, equally many of each.

    Args:
        scalars: rate, weight decay, the corrections of the two moments, and whether there is a step to take.
        trees: gradients, parameters, first and second moments before it.
    """
    number = len(trees[0])
    flat = [x.reshape(-1) for tree in trees for x in tree]
    first = [0, *np.cumsum([pl.cdiv(x.size, _BLOCK) for x in trees[0]]).tolist()]  # block of every array

    def kernel(scalars_ref, *refs) -> None:
        block = pl.program_id(0)

        def tiles(index: int):
            """Returns references to the block in all seven arrays of a parameter, and what of it is inside."""
            value = (block - first[index]) * _BLOCK + lax.iota(jnp.int32, _BLOCK)
            inside = value < trees[0][index].size if trees[0][index].size % _BLOCK else None
            return [ref.at[value] for ref in refs[index::number]], inside

        def load(index: int) -> list[Array]:
            tile, inside = tiles(index)
            return [triton.load(x, mask=inside, other=None if inside is None else 0) for x in tile[:4]]

        def store(index: int) -> None:
            tile, inside = tiles(index)
            for x, value in zip(tile[4:], updated, strict=True):
                triton.store(x, value, mask=inside)

        updated = _update(scalars_ref, *_choose(block, first, load))
        _choose(block, first, store)

    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its values itself

    def call(*operands: Array, interpret: bool) -> list[Array]:
        return pl.pallas_call(
            kernel,
            grid=(first[-1],),
            in_specs=[whole] * len(operands),
            out_specs=[whole] * (3 * number),
            out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in flat[number:]],
            input_output_aliases={1 + index: index - number for index in range(number, 4 * number)},
            compiler_params=triton.CompilerParams(num_warps=8),
            interpret=interpret,
            name="adamw",
        )(*operands)

    updated = lax.platform_dependent(
        scalars,
        *flat,
        cpu=functools.partial(call, interpret=True),
        default=functools.partial(call, interpret=False),
    )
    return [
        [x.reshape(like.shape) for x, like in zip(updated[start:], trees[0], strict=False)]
        for start in range(0, 3 * number, number)
    ]


def _choose(block: Array, first: Sequence[int], act: Callable[[int], Any]) -> Any:
    """Returns what `act` returns for the array that a block is of.

    The compiler knows all addresses by position alone, so that it must write the act out for each array; but the way
    there halves the arrays, and what need not be in the act is written once.
    """

    def among(low: int, high: int) -> Any:
        if high - low == 1:
            return act(low)
        middle = (low + high) // 2
        return lax.cond(block < first[middle], lambda: among(low, middle), lambda: among(middle, high))

    return among(0, len(first) - 1)


def _update(scalars_ref, gradient: Array, param: Array, mu: Array, nu: Array) -> list[Array]:
    """Returns a block's parameters and moments after the step."""
    rate, decay, mu_correction, nu_correction, pending = (scalars_ref[number] for number in range(5))
    new_mu = (1 - _FIRST) * gradient + _FIRST * mu
    new_nu = (1 - _SECOND) * gradient**2 + _SECOND * nu
    direction = new_mu * mu_correction / (jnp.sqrt(new_nu * nu_correction) + _EPSILON)
    new_param = param - rate * (direction + decay * param)
    updated, before = (new_param, new_mu, new_nu), (param, mu, nu)
    return [jnp.where(pending > 0, new, old) for new, old in zip(updated, before, strict=True)]
