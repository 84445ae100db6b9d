"""What hypothesis draws for the tests of D-Markers."""

import hypothesis
import numpy as np
from hypothesis import strategies as st
from padded import FRAMES
from smiles import rough

SETTINGS = hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)

sequences = st.builds(
    lambda seed, frames, kind: rough(np.random.default_rng(seed), frames, kind),
    SEEDS,
    st.integers(1, FRAMES),
    st.sampled_from(["smooth", "jittery", "wild"]),
)
