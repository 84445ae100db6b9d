"""RealSmileNet (Y. Yang et al., ACCV 2020): pictures of a face through a ConvLSTM and non-local attention.

Variant "authors" is the published code (repository Yan98/Deep-learning-for-genuine-and-posed-smile-classification,
its default model `org`); "ours" differs in the first picture's difference alone, see `RealSmileNet`.
"""

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from dfuse_jax.models.layers import Dropout, TorchConv, TorchDense
from dfuse_jax.models.norms import BatchNorm

VARIANTS = ("ours", "authors")
SIDE = 48  # of a picture, in pixels
STEP = 5  # of the frames of a video every fifth one is seen
CELLS = 8  # channels of the ConvLSTM


class RealSmileNet(nn.Module):
    """Maps pictures of a face to a logit; 5,273 parameters.

    A clip is a whole video, every `STEP`-th frame of it. Shorter ones are padded, in front as published or behind:
    padding has no influence. In the variant "authors" it has one, and so have the other videos of a batch: the
    difference of the first picture is that to a black one where padding precedes it, and 0 otherwise. "ours" takes 0.

    Attributes:
        variant: "ours" or "authors".
        channel_dropout: rate at which channels are dropped before the ConvLSTM.
    """

    variant: str = "ours"
    channel_dropout: float = 0.2

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        super().__post_init__()

    @nn.nowrap
    def clip(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of a batch of one clip."""
        pixels = jax.ShapeDtypeStruct((1, 2, SIDE, SIDE, 3), jnp.uint8)
        return {"pixels": pixels, "present": jax.ShapeDtypeStruct((1, 2), bool)}

    @nn.compact
    def __call__(
        self, clip: Mapping, *, train: bool = False, dropout: float | Float[Array, ""] = 0.5
    ) -> Float[Array, " batch"]:
        """Returns the logits.

        Args:
            clip: "pixels" [B, T, 48, 48, 3], RGB from 0 to 255, and "present" [B, T], which of them are no padding.
            train: statistics of the batch and dropout (needs the rng "dropout" and a mutable "batch_stats").
            dropout: rate before the last layer; the published one is 0.5.
        """
        present = clip["present"].astype(bool)
        precision = jnp.promote_types(clip["pixels"].dtype, jnp.result_type(float))
        x = _masked(clip["pixels"].astype(precision) / 255, present)
        x = TemporalGate(variant=self.variant, name="gate")(x, present)
        x = Encoder(name="encoder")(x, present, train)
        x = x * Dropout(self.channel_dropout)(jnp.ones((*x.shape[:2], 1, 1, x.shape[-1]), x.dtype), train)
        x = ConvLSTM(features=CELLS, name="lstm")(x, present)
        x = NonLocal(features=CELLS // 2, name="non_local")(x, train)
        x = TorchConv(10, size=2, padding="VALID", name="classifier")(_mean_pool(x))
        x = nn.relu(BatchNorm(name="classifier_norm")(x, train=train))
        x = Dropout(dropout)(x.reshape(len(x), -1), train)
        return TorchDense(1, name="head")(x)[:, 0]


class TemporalGate(nn.Module):
    """Adds to each picture its product with a convolution of its difference to the picture before.

    Attributes:
        variant: see `RealSmileNet`.
    """

    variant: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time height width 3"], present: Bool[Array, "batch time"]
    ) -> Float[Array, "batch time height width 3"]:
        """Returns the gated pictures."""
        difference = jnp.concatenate([jnp.zeros_like(x[:, :1]), x[:, 1:] - x[:, :-1]], axis=1)
        if self.variant == "ours":
            preceded = jnp.concatenate([present[:, :1], present[:, :-1]], axis=1)
            difference = _masked(difference, present & preceded)
        return x + TorchConv(3, size=3, initialise=_centre_taps, name="convolution")(difference) * x


class Encoder(nn.Module):
    """Encodes each picture in 6 channels and a quarter of its side; batch norms see no padding."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time height width 3"], present: Bool[Array, "batch time"], train: bool
    ) -> Float[Array, "batch time height/4 width/4 6"]:
        """Returns the encoded pictures, 0 for padding."""
        where = present[:, :, None, None, None]
        x = BatchNorm(name="norm")(x, train=train, where=where)
        for number, features in enumerate((4, 6)):
            x = TorchConv(features, size=3, name=f"convolution_{number}")(x)
            x = _mean_pool(nn.relu(BatchNorm(name=f"norm_{number}")(x, train=train, where=where)))
        return _masked(x, present)


class ConvLSTM(nn.Module):
    """An LSTM whose states are pictures and whose maps are one convolution.

    Attributes:
        features: channels of its states.
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch time height width inputs"], present: Bool[Array, "batch time"]
    ) -> Float[Array, "batch height width features"]:
        """Returns the last state; padding leaves the states as they are."""

        def step(convolution: nn.Module, state: tuple[Array, Array], now: tuple[Array, Array]):
            hidden, cell = state
            x, present = now
            maps = convolution(jnp.concatenate([x, hidden], axis=-1))
            admit, keep, show, new = jnp.split(maps, 4, axis=-1)
            next_cell = nn.sigmoid(keep) * cell + nn.sigmoid(admit) * jnp.tanh(new)
            next_hidden = nn.sigmoid(show) * jnp.tanh(next_cell)
            here = present[:, None, None, None]
            return (jnp.where(here, next_hidden, hidden), jnp.where(here, next_cell, cell)), None

        scan = nn.scan(step, variable_broadcast="params", split_rngs={"params": False}, in_axes=1)
        nothing = jnp.zeros((len(x), *x.shape[2:4], self.features), x.dtype)
        convolution = TorchConv(4 * self.features, size=3, name="convolution")
        (hidden, _), _ = scan(convolution, (nothing, nothing), (x, present))
        return hidden


class NonLocal(nn.Module):
    """Adds to each place what it attends to among all places; before the first step it adds nothing.

    Attributes:
        features: width of keys and values.
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], train: bool
    ) -> Float[Array, "batch height width channels"]:
        """Returns the input and what it attends to, by dot products without a softmax."""
        query = TorchDense(self.features, name="query")(x)
        key = _max_pool(TorchDense(self.features, name="key")(x))
        value = _max_pool(TorchDense(self.features, name="value")(x))
        places = key.shape[1] * key.shape[2]
        weights = jnp.einsum("bhwc,bijc->bhwij", query, key) / places
        y = TorchDense(x.shape[-1], name="out")(jnp.einsum("bhwij,bijc->bhwc", weights, value))
        return x + BatchNorm(initial_scale=0.0, name="out_norm")(y, train=train)


def _centre_taps(key: Array, shape: tuple[int, ...], dtype=float) -> Array:
    """Returns a kernel that sums all inputs at the window's centre into each output."""
    del key
    centre = shape[0] // 2, shape[1] // 2
    return jnp.zeros(shape, dtype).at[centre].set(1)


def _masked(x: Float[Array, "batch time height width channels"], present: Bool[Array, "batch time"]) -> Array:
    return jnp.where(present[:, :, None, None, None], x, 0)


def _mean_pool(x: Float[Array, "*batch height width channels"]) -> Array:
    """Returns the means of 2 x 2 places."""
    return jnp.mean(_quadruples(x), axis=(-4, -2))


def _max_pool(x: Float[Array, "*batch height width channels"]) -> Array:
    """Returns the largest of 2 x 2 places."""
    return jnp.max(_quadruples(x), axis=(-4, -2))


def _quadruples(x: Array) -> Array:
    height, width, channels = x.shape[-3:]
    return x.reshape(*x.shape[:-3], height // 2, 2, width // 2, 2, channels)
