"""D-FuseSmileNet as a system: clips of landmarks through the encoder, fused with D-Markers of the whole video."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import dmarkers
from dfuse_jax.constants import NUM_DMARKERS, NUM_LANDMARKS
from dfuse_jax.models import FUSIONS, DFuseSmileNet, sizes
from dfuse_jax.models.cloud import list_incoming, nearest
from dfuse_jax.models.dfusesmilenet import VARIANTS
from dfuse_jax.models.kernels import KERNELS
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import checks, coordinates, neural, videos
from dfuse_jax.train import Inputs, cross_entropy, end_to_end

NAME = "dfusesmilenet"


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model`, `dmarkers` or `train` cannot be.
    """
    check(config)
    model = build_model(config["model"])
    options = config["dmarkers"]
    return neural.build(
        config,
        name=NAME,
        network=Network(model),
        inputs=functools.partial(
            prepare,
            model,
            definition=options["definition"],
            smoothing=options["smoothing"] or None,
            clip_coordinates=coordinates.choice(config),
        ),
        example=example(model)._replace(per_video={"dmarkers": example_dmarkers()}),
    )


class Outputs(NamedTuple):
    """What the network gives.

    Attributes:
        logits: [B], of "spontaneous".
    """

    logits: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class Network:
    """`DFuseSmileNet` as training sees it: clips {"points", "neighbours"} and videos {"dmarkers"}.

    The fusion "none", which is MeshSmileNet, needs no D-Markers.
    """

    model: DFuseSmileNet

    def init(self, key: Array, clip: Mapping, video: Mapping) -> Mapping:
        """Returns the model's variables."""
        model = self.model.clone(kernels="plain")  # quicker to compile, and the variables are the same
        return model.init(key, clip["points"], video.get("dmarkers"), neighbours=clip["neighbours"])

    def apply(
        self,
        variables: Mapping,
        clip: Mapping,
        video: Mapping,
        *,
        train: bool = False,
        dropout: Float[Array, ""] | float = 0.0,
        rngs: dict | None = None,
        mutable: Any = False,
    ) -> Any:
        """Returns the logits; with `mutable`, also the collections of these names."""
        model = self.model.clone(dropout=dropout)
        result: Any = model.apply(
            variables,
            clip["points"],
            video.get("dmarkers"),
            train=train,
            neighbours=clip["neighbours"],
            incoming=clip.get("incoming"),
            rngs=rngs,
            mutable=mutable,
        )
        if mutable is False:
            return Outputs(result)
        logits, collections = result
        return Outputs(logits), collections

    def loss(
        self, outputs: Outputs, label: Float[Array, " batch"], video: Mapping, params: Mapping, *, weight: Any = 1.0
    ) -> Float[Array, ""]:
        """Returns the cross-entropy (eq. 4)."""
        return cross_entropy(outputs, label, weight)

    def suited_to(self, platform: str, replicas: int) -> "Network":
        """Returns the network with as many frames at once as the device holds best."""
        frames_at_once = sizes.frames_at_once(self.model, platform, replicas=replicas)
        return Network(self.model.clone(frames_at_once=frames_at_once))

    def with_kernels(self, kernels: str) -> "Network":
        """Returns the network with "plain" or "fused" kernels."""
        return Network(self.model.clone(kernels=kernels))


def build_model(section: Mapping, kind: type[DFuseSmileNet] = DFuseSmileNet, **options: Any) -> Any:
    """Returns the model of a config's `model` section, also of one read from JSON, where tuples are lists.

    Args:
        section: of the config.
        kind: of model.
        options: of this kind, beside those of the section.
    """
    blocks = tuple((features, bottleneck) for features, bottleneck in section["blocks"])
    return kind(**{**section, **options, "blocks": blocks})


def prepare(
    model: DFuseSmileNet,
    samples: Sequence[Sample],
    *,
    definition: str,
    smoothing: str | None,
    clip_coordinates: str = coordinates.DEFAULT,
) -> Inputs:
    """Returns the landmarks that the model uses, each point's neighbours, and the D-Markers of the whole videos.

    Args:
        model: the network.
        samples: V videos.
        definition: of the D-Markers.
        smoothing: of their signals.
        clip_coordinates: a name of `coordinates.NAMES`. D-Markers are those of the image in any case.
    """
    markers = features(samples, definition=definition, smoothing=smoothing)
    inputs = prepare_landmarks(model, samples, clip_coordinates)
    return inputs._replace(per_video={"dmarkers": markers.astype(inputs.label.dtype)})


def prepare_landmarks(
    model: DFuseSmileNet, samples: Sequence[Sample], clip_coordinates: str = coordinates.DEFAULT
) -> Inputs:
    """Returns the landmarks that the model uses and each point's neighbours; nothing of the whole videos."""
    length = videos.count_frames(samples)
    selected = (np.asarray(model.select(coordinates.read(sample, clip_coordinates))) for sample in samples)
    points = end_to_end(selected, frames=int(length.sum()), dtype=jnp.result_type(float))
    return videos.lay_out(samples, length, per_frame=per_frame(model, points))


def features(samples: Sequence[Sample], *, definition: str, smoothing: str | None) -> Float[np.ndarray, "videos 225"]:
    """Returns the D-Markers of whole videos."""
    scaled = definition == "authors"  # it reads the network's coordinates, the paper's MediaPipe's own
    return dmarkers.compute_batch(
        (scale(sample.landmarks) if scaled else sample.landmarks for sample in samples),
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
        definition=definition,
        smoothing=smoothing,
    )


def per_frame(model: DFuseSmileNet, points: Float[np.ndarray, "frames points 3"]) -> dict[str, Any]:
    """Returns what a model sees of each frame: its points, their neighbours, and what fused kernels need of these.

    All but the points depends on nothing that is learnt, so it is found once per frame, before training.
    """
    fused = model.kernels == "fused" or (model.kernels == "auto" and jax.default_backend() != "cpu")
    return {"points": points, **videos.by_chunks(functools.partial(_lists, fused, model.neighbours), points)}


def find_neighbours(points: Float[np.ndarray, "frames points 3"], k: int) -> np.ndarray:
    """Returns the k nearest points of every point, itself first: [F, P, k] indices in 16 bits."""
    return videos.by_chunks(functools.partial(_lists, False, k - 1), points)["neighbours"]


def check(config: Mapping) -> None:
    """Raises UserError for a field that cannot be."""
    check_encoder(config)
    checks.dmarkers(config)
    model = config["model"]
    checks.one_of(config, "model.fusion", tuple(FUSIONS))
    try:
        sizes.classifier_shapes(build_model(model))
    except ValueError as error:
        raise UserError(f"config.model: {model['fusion']}: {error}") from error


def check_encoder(config: Mapping) -> None:
    """Raises UserError for a field of the training or of the encoder's sizes that cannot be."""
    neural.check(config)
    checks.one_of(config, "model.variant", VARIANTS)
    checks.one_of(config, "model.dtype", ("float32", "bfloat16"))
    checks.one_of(config, "model.kernels", (*KERNELS, "auto"))
    model = config["model"]
    counts = ("neighbours", "entry", "curves", "steps", "tokens", "heads", "head_width", "mlp")
    checks.within(config, "model", counts, low=1)
    checks.within(config, "model", ("depth", "time_depth"), low=0)
    fewest = max(model["neighbours"] + 1, model["curves"])
    checks.within(config, "model", ("points",), low=fewest, high=NUM_LANDMARKS)
    _check_blocks(model["entry"], model["blocks"])


def _check_blocks(entry: int, blocks: Any) -> None:
    sequence = (tuple, list)  # lists where the config has been through JSON
    pairs = isinstance(blocks, sequence) and all(isinstance(block, sequence) and len(block) == 2 for block in blocks)
    if not (pairs and blocks and all(isinstance(n, int) and n >= 1 for block in blocks for n in block)):
        raise UserError(
            f"config.model.blocks is {blocks}; it must be (features, bottleneck) pairs, such as ((16,2),(32,2))."
        )
    width = entry
    for features, bottleneck in blocks:
        if width % bottleneck or width // bottleneck < 2:
            raise UserError(f"config.model.blocks: a block's input of width {width} has no bottleneck of {bottleneck}.")
        width = features


def example(model: DFuseSmileNet) -> Inputs:
    """Returns the shapes of what `prepare_landmarks` gives for a video of one frame."""
    points = model.points or NUM_LANDMARKS
    precision = jnp.result_type(float)
    landmarks = jax.ShapeDtypeStruct((2, points, 3), precision)
    lists = functools.partial(_lists, model.kernels == "fused", model.neighbours)
    number: Any = jax.ShapeDtypeStruct((1,), np.int32)
    label: Any = jax.ShapeDtypeStruct((1,), precision)
    return Inputs(
        per_frame={"points": landmarks, **jax.eval_shape(lists, landmarks)},
        per_video={},
        first=number,
        length=number,
        label=label,
    )


def example_dmarkers() -> Any:
    """Returns the shape of one video's D-Markers."""
    return jax.ShapeDtypeStruct((1, NUM_DMARKERS), jnp.result_type(float))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _lists(fused: bool, count: int, points: Array) -> dict[str, Any]:
    """Returns the points' neighbours, themselves first, and with fused kernels the edges to all but the last."""
    neighbours = nearest(points, count + 1).astype(jnp.int16)  # half the size of the largest array on the device
    return {"neighbours": neighbours} | ({"incoming": list_incoming(neighbours[..., :-1])} if fused else {})
