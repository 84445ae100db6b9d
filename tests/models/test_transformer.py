"""The transformer's positional encoding, by hand."""

import math

import numpy as np
import pytest

from dfuse_jax.models.transformer import positional_encoding


@pytest.mark.parametrize("width", [4, 5])
def test_positional_encoding(width):
    code = positional_encoding(3, width)
    assert code.shape == (3, width)
    for position in range(3):
        angles = [position / 10000 ** (2 * (i // 2) / width) for i in range(width)]
        expected = [math.cos(angle) if i % 2 else math.sin(angle) for i, angle in enumerate(angles)]
        np.testing.assert_allclose(code[position], expected, rtol=1e-5, atol=1e-7)
