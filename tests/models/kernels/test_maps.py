"""The fused maps of points against the plain ones: one map or two, with a residual or without, LReLU and ReLU."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from kernels import KINDS, compare, compare_errors, features
from kernels import pull as pull_module
from smiles import precision

from dfuse_jax.models.cloud import feature_moments
from dfuse_jax.models.curvenet.maps import activated_maps, normalised_maps
from dfuse_jax.models.layers import Drop, Kernel
from dfuse_jax.models.norms import Affine, BatchNorm

# Widths of the inputs, that of the output, whether there is a residual, and the slope.
CASES = [((5,), 7, False, 0.2), ((16, 3), 300, False, 0.2), ((9,), 32, True, 0.2), ((6,), 20, False, 0.0)]


def operands(widths, width, residual, *, lead=(2, 33), dtype=float):
    inputs = tuple(features(*lead, n, dtype=dtype) for n in widths)
    maps = tuple(Affine(features(*lead[:-2], n, width) / n, features(*lead[:-2], width)) for n in widths)
    return inputs, maps, features(*lead, width, dtype=dtype) if residual else None


def pull(kernels, slope, operands, *, replicas=False, dropped=None):
    """Returns the values and the gradients of all operands, which are stacked where there are replicas."""

    def apply(inputs, maps, residual):
        maps = tuple(each.astype(inputs[0].dtype) for each in maps)
        options = {"kernels": kernels, "frames_at_once": None, "slope": slope, "residual": residual}
        y = activated_maps(inputs, maps, **options, dropped=dropped)
        return jnp.sum(jnp.sin(jnp.arange(y.size)).reshape(y.shape).astype(y.dtype) * y), y

    function = jax.value_and_grad(apply, argnums=(0, 1, 2), has_aux=True)
    (_, y), gradients = jax.jit(jax.vmap(function) if replicas else function)(*operands)
    return jax.device_get((y, gradients))


@pytest.mark.parametrize(("widths", "width", "residual", "slope"), CASES)
def test_values_and_gradients_agree_in_float64(widths, width, residual, slope):
    with precision(True):
        compare(*(pull(kind, slope, operands(widths, width, residual)) for kind in KINDS), 1e-12)


@pytest.mark.parametrize(("width", "rate"), [(20, 0.5), (300, 0.1), (7, 0.5)])
def test_what_is_dropped_agrees_in_float64(width, rate):
    """Of a width that 4 does not divide too, which stays plain."""
    drop = Drop(jnp.asarray([3, 5], jnp.uint32), jnp.asarray(round(rate * 2**16), jnp.uint32))
    with precision(True):
        plain, fused = (pull(kind, 0.0, operands((6,), width, False), dropped=drop) for kind in KINDS)
        compare(plain, fused, 1e-12)
    assert abs(jnp.mean(plain[0] == 0) - (1 - (1 - rate) / 2)) < 0.2


@pytest.mark.long
def test_values_and_gradients_agree_in_float32():
    compare(*(pull(kind, 0.2, operands((16, 3), 40, True)) for kind in KINDS), 1e-5)


@pytest.mark.long
def test_bfloat16_is_as_near_to_float64_as_the_plain_version():
    inputs = operands((16, 3), 40, True, dtype=jnp.bfloat16)
    plain, fused = (pull(kind, 0.2, inputs) for kind in KINDS)
    with precision(True):
        exact = pull("plain", 0.2, jax.tree.map(lambda x: x.astype(jnp.float64), inputs))
    compare_errors(exact, plain, fused, factor=1.2, floor=0.004)


@pytest.mark.long
def test_replicas_agree_in_float64():
    with precision(True):
        stacked = operands((6, 3), 20, True, lead=(3, 2, 33))
        compare(*(pull(kind, 0.2, stacked, replicas=True) for kind in KINDS), 1e-12)


class Maps(nn.Module):
    """Maps of points with a batch norm each, whose statistics are the inputs'."""

    kernels: str
    width: int = 20
    slope: float = 0.2

    @nn.compact
    def __call__(self, inputs, residual, train):
        numbers = range(len(inputs))
        return normalised_maps(
            inputs,
            [Kernel(self.width, name=f"map_{i}")(inputs[i].shape[-1]) for i in numbers],
            [BatchNorm(name=f"norm_{i}") for i in numbers],
            [feature_moments(x, frames_at_once=None) if train else None for x in inputs],
            kernels=self.kernels,
            frames_at_once=None,
            slope=self.slope,
            residual=residual,
        )


def pull_normalised(widths, residual, *, lead=(2, 33), dtype=float, replicas=None, train=True, slope=0.2):
    inputs = tuple(features(*lead, n, dtype=dtype) + 0.5 for n in widths)
    added = features(*lead, 20, dtype=dtype) if residual else None
    return [pull_module(Maps(kind, slope=slope), inputs, added, train=train, replicas=replicas) for kind in KINDS]


@pytest.mark.parametrize(("widths", "residual", "slope"), [((5,), True, 0.2), ((16, 3), False, 0.2), ((6,), False, 0)])
def test_with_batch_norms_values_statistics_and_gradients_agree_in_float64(widths, residual, slope):
    """An input's gradient has a part that comes from its moments."""
    with precision(True):
        compare(*pull_normalised(widths, residual, slope=slope), 1e-12)


@pytest.mark.long
def test_with_batch_norms_replicas_agree_in_float64():
    with precision(True):
        compare(*pull_normalised((6, 3), True, lead=(3, 2, 33), replicas=3), 1e-12)


@pytest.mark.long
def test_with_batch_norms_evaluation_and_float32_agree():
    compare(*pull_normalised((16, 3), True, train=False), 1e-5)
    compare(*pull_normalised((16, 3), True), 1e-5)
