"""What a curve asks of all its candidates at once, without their features in memory.

The plain versions are in `curvenet.curves`. M counts frames, N points, C curves, K candidates, c features.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import gather
from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32

Candidates = Int[Array, "frames curves candidates"]
PerCurve = Float[Array, "frames curves width"]
Result = Float[Array, "frames curves candidates"]


class Survey(NamedTuple):
    """What curves see ahead of them.

    Attributes:
        candidates: the points that each curve may go to.
        scores: of these points.
        suppression: of what would cross the curve, see `curves._suppression`; it has no gradient.
    """

    candidates: Candidates
    scores: Result
    suppression: Result


@jax.custom_vjp
def survey(
    neighbours: Int[Array, "frames points candidates"],
    points: Int[Array, "frames curves"],
    point_scores: Float[Array, "frames points"],
    x: Float[Array, "frames points width"],
    features: PerCurve,
    descriptors: PerCurve,
) -> Survey:
    """Returns what curves see from where they are; only the scores have a gradient.

    Args:
        neighbours: of every point.
        points: where each curve is.
        point_scores: of every point.
        x: the points' features.
        features: of the points where the curves are.
        descriptors: of the curves; a curve whose descriptor is its point's features has no direction yet.
    """
    frames, curves = points.shape
    shape = (frames, curves, neighbours.shape[-1])
    likes = [jax.ShapeDtypeStruct(shape, array.dtype) for array in (neighbours, point_scores, x)]
    padded = [program.pad(array) for array in (x, features, descriptors)]
    arrays = (neighbours, points, point_scores, *padded)
    return Survey(*program.launch(_survey_frame, arrays, (), likes, dtype=x.dtype, name="walk_survey"))


def _forward(neighbours, points, point_scores, x, features, descriptors) -> tuple[Survey, tuple[Array, Array]]:
    ahead = survey(neighbours, points, point_scores, x, features, descriptors)
    return ahead, (ahead.candidates, point_scores)


def _backward(residuals: tuple[Array, Array], g: Survey) -> tuple[Array | None, ...]:
    candidates, point_scores = residuals
    sums = jax.linear_transpose(lambda scores: gather(scores, candidates), at_least_float32(point_scores))
    (gradient,) = sums(at_least_float32(g.scores))
    return None, None, gradient.astype(point_scores.dtype), None, None, None


survey.defvjp(_forward, _backward)


def products(candidates: Candidates, x: Float[Array, "frames points width"], g: PerCurve) -> Result:
    """Returns the scalar product of every candidate's features with g; it has no gradient."""
    like = jax.ShapeDtypeStruct(candidates.shape, x.dtype)
    arrays = (candidates, program.pad(x), program.pad(g))
    return program.launch(_products_frame, arrays, (), (like,), dtype=like.dtype, name="walk_products")[0]


# The programs. What ends in `_ref` lies in memory, of one frame.


def _survey_frame(
    neighbours_ref,
    points_ref,
    point_scores_ref,
    x_ref,
    features_ref,
    descriptors_ref,
    candidates_ref,
    scores_ref,
    y_ref,
) -> None:
    curves, candidates = y_ref.shape

    def block(rows, inside, carry):
        points = points_ref[rows].astype(jnp.int32)
        features = at_least_float32(features_ref[rows, :])
        direction = features - at_least_float32(descriptors_ref[rows, :])
        length = _length(direction)

        def write(k, carry):
            candidate = neighbours_ref[points, k]
            candidates_ref[rows, k] = candidate
            candidate = candidate.astype(jnp.int32)
            scores_ref[rows, k] = point_scores_ref[candidate]
            onward = at_least_float32(x_ref[candidate, :]) - features
            cosine = jnp.sum(direction * onward, axis=1) / jnp.maximum(length * _length(onward), 1e-8)
            y_ref[rows, k] = jnp.clip(1 + cosine, 0, 1).astype(y_ref.dtype)
            return carry

        return lax.fori_loop(0, candidates, write, carry)

    program.for_blocks(block, curves, 0)


def _products_frame(candidates_ref, x_ref, g_ref, y_ref) -> None:
    curves, candidates = candidates_ref.shape

    def block(rows, inside, carry):
        g = at_least_float32(g_ref[rows, :])

        def write(k, carry):
            x = at_least_float32(x_ref[candidates_ref[rows, k].astype(jnp.int32), :])
            y_ref[rows, k] = jnp.sum(x * g, axis=1).astype(y_ref.dtype)
            return carry

        return lax.fori_loop(0, candidates, write, carry)

    program.for_blocks(block, curves, 0)


def _length(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x * x, axis=1))
