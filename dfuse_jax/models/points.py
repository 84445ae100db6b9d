"""Point operations of PSTNet and P4Transformer, after PointNet++: farthest points and ball queries.

They depend on nothing that is learnt, so they are found once per frame, before training, and a clip brings them along.
Variant "authors" follows the published code, whose result depends on the order in which the points are stored, and
whose "farthest" points are never near the origin. Variant "ours" depends on the points alone: reordering them changes
nothing.

Source of "authors": the compiled operations of the repositories hehefan/P4Transformer and
hehefan/Point-Spatio-Temporal-Convolution, which are alike. "ours" is our choice.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

VARIANTS = ("ours", "authors")
NEAR_ORIGIN = 1e-3  # squared distance from the origin up to which the published code never picks a point


def farthest_points(points: Float[Array, "points 3"], count: int, *, variant: str) -> Int[Array, " count"]:
    """Returns the indices, in 16 bits, of points of which each is the farthest from all before it.

    The first m of them are the m farthest points of the same cloud, and of the picked points themselves in their order:
    one call serves all coarser clouds.

    Args:
        points: a cloud.
        count: how many points are picked.
        variant: "ours" starts with the point farthest from the centre. "authors" starts with point 0 and never picks a
            point within 0.032 of the origin; where no other is left, point 0 is picked again.
    """
    if variant == "authors":
        start = jnp.zeros((), int)
        eligible = jnp.sum(points**2, axis=-1) > NEAR_ORIGIN
    else:
        start = jnp.argmax(_squares(points, jnp.mean(points, axis=0)))
        eligible = jnp.ones(len(points), bool)

    def pick(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        distance, last = carry
        distance = jnp.minimum(distance, _squares(points, points[last]))
        farthest = jnp.argmax(jnp.where(eligible, distance, -1))
        return (distance, farthest), last

    nowhere = jnp.full(len(points), jnp.inf, points.dtype)
    return lax.scan(pick, (nowhere, start), length=count)[1].astype(jnp.int16)


def ball_query(
    anchors: Float[Array, "anchors 3"], points: Float[Array, "points 3"], *, radius: float, count: int, variant: str
) -> Int[Array, "anchors count"]:
    """Returns the indices, in 16 bits, of `count` points that are nearer to each anchor than the radius.

    Where there are fewer, the first of them repeats.

    Args:
        anchors: centres of the balls.
        points: a cloud.
        radius: of the balls.
        count: how many neighbours an anchor gets.
        variant: "ours" takes the nearest points, and the single nearest one where the ball is empty. "authors" takes
            the first ones in the order of the cloud, and point 0 where the ball is empty.
    """
    distance = _squares(anchors[:, None], points[None])
    inside = distance < radius**2
    most = min(count, len(points))
    if variant == "authors":
        number = jnp.where(inside, jnp.arange(len(points))[None], len(points))
        index = -lax.top_k(-number, most)[0]
        valid = index < len(points)
        first = jnp.where(valid[:, :1], index[:, :1], 0)
    else:
        index = lax.top_k(-distance, most)[1]
        valid = jnp.take_along_axis(inside, index, axis=1)
        first = index[:, :1]
    index = jnp.where(valid, index, first)
    return jnp.concatenate([index, jnp.repeat(first, count - most, axis=1)], axis=1).astype(jnp.int16)


def clip_shapes(model: Any, frames: int) -> dict[str, Any]:
    """Returns the shapes of a batch of one clip, as a network on points takes it.

    Args:
        model: has `points`, `offsets`, `find_anchors` and `find_neighbours`.
        frames: in the clip.
    """

    def clip(points: Array) -> dict[str, Any]:
        window = jnp.zeros((frames, len(model.offsets)), int)
        anchors = jax.vmap(model.find_anchors)(points)
        neighbours = jax.vmap(model.find_neighbours)(points[window], anchors[window])
        return jax.tree.map(lambda x: x[None], {"points": points, "anchors": anchors, "neighbours": neighbours})

    return jax.eval_shape(clip, jax.ShapeDtypeStruct((frames, model.points, 3), jnp.result_type(float)))


def counts(neighbours: Int[Array, "*batch anchors neighbours"], points: int, dtype: DTypeLike) -> Float[Array, "..."]:
    """Returns how often each point is a neighbour of each anchor: [..., A, K] indices -> [..., A, points].

    A product with it sums what the neighbours have, repeated ones as often as they repeat.
    """
    return jnp.sum(jax.nn.one_hot(neighbours, points, dtype=dtype), axis=-2)


def _squares(a: Float[Array, "*shape 3"], b: Float[Array, "*other 3"]) -> Float[Array, "..."]:
    """Returns squared distances, exactly 0 between equal points."""
    x, y, z = (jnp.square(a[..., i] - b[..., i]) for i in range(3))
    return x + y + z
