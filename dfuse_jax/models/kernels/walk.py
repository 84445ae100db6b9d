"""What a curve asks of all its candidates at once, without their features in memory.

The plain versions are in `curvenet.curves`. M counts frames, N points, C curves, K candidates, c features.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32

Candidates = Int[Array, "frames curves candidates"]
PerCurve = Float[Array, "frames curves width"]
Result = Float[Array, "frames curves candidates"]


def suppression(
    candidates: Candidates, x: Float[Array, "frames points width"], features: PerCurve, descriptors: PerCurve
) -> Result:
    """Returns what `curves._suppression` does; it has no gradient."""
    return _launch(_suppression_frame, candidates, x, features, descriptors, name="walk_suppression")


def products(candidates: Candidates, x: Float[Array, "frames points width"], g: PerCurve) -> Result:
    """Returns the scalar product of every candidate's features with g; it has no gradient."""
    return _launch(_products_frame, candidates, x, g, name="walk_products")


def _launch(kernel, candidates: Array, *arrays: Array, name: str) -> Array:
    like = jax.ShapeDtypeStruct(candidates.shape, arrays[0].dtype)
    arrays = (candidates, *(program.pad(array) for array in arrays))
    return program.launch(kernel, arrays, (), (like,), dtype=like.dtype, name=name)[0]


# The programs. What ends in `_ref` lies in memory, of one frame.


def _suppression_frame(candidates_ref, x_ref, features_ref, descriptors_ref, y_ref) -> None:
    def prepare(rows):
        features = at_least_float32(features_ref[rows, :])
        direction = features - at_least_float32(descriptors_ref[rows, :])
        return features, direction, _length(direction)

    def one(x, features, direction, length):
        onward = x - features
        cosine = jnp.sum(direction * onward, axis=1) / jnp.maximum(length * _length(onward), 1e-8)
        return jnp.clip(1 + cosine, 0, 1)

    _for_candidates(candidates_ref, x_ref, y_ref, prepare, one)


def _products_frame(candidates_ref, x_ref, g_ref, y_ref) -> None:
    def prepare(rows):
        return (at_least_float32(g_ref[rows, :]),)

    _for_candidates(candidates_ref, x_ref, y_ref, prepare, lambda x, g: jnp.sum(x * g, axis=1))


def _for_candidates(candidates_ref, x_ref, y_ref, prepare, one) -> None:
    """Writes one(features of a candidate, *prepare(curves)) for each candidate of a block of curves at a time."""
    curves, candidates = candidates_ref.shape

    def block(rows, inside, carry):
        prepared = prepare(rows)

        def write(k, carry):
            x = at_least_float32(x_ref[candidates_ref[rows, k].astype(jnp.int32), :])
            y_ref[rows, k] = one(x, *prepared).astype(y_ref.dtype)
            return carry

        return jax.lax.fori_loop(0, candidates, write, carry)

    program.for_blocks(block, curves, 0)


def _length(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x * x, axis=1))
