"""Attention over several heads: the widths that it can have."""

import jax.numpy as jnp
import pytest
from networks import variables_of

from dfuse_jax.models import FUSIONS


def test_width_that_has_no_four_heads():
    fusion = FUSIONS["token_attention"].module(6, 0.0)
    with pytest.raises(ValueError, match=r"4 heads.*width of 6"):
        variables_of(fusion, jnp.ones((1, 2, 6)), jnp.ones((1, 225)), train=False)
