"""D-Markers of all samples."""

import jax
import numpy as np

from dfuse_jax import dmarkers, samples
from dfuse_jax.data import features, synthetic


def test_dmarkers_of_padded_videos_are_those_of_each_alone():
    videos = synthetic.generate(4, 2, seed=5, frames=(20, 60))
    together = features.compute(videos, smoothing="4253H")
    compute = jax.jit(dmarkers.compute, static_argnames=("definition", "smoothing"))
    for row, video in zip(together, videos, strict=True):
        alone = compute(video.landmarks, video.fps, aspect=video.aspect, smoothing="4253H")
        np.testing.assert_allclose(
            row, alone, rtol=1e-3, atol=1e-3
        )  # float32; accelerations are differences twice over
    published = features.compute(videos, definition="authors")
    alone = compute(samples.scale(videos[1].landmarks), 1.0, definition="authors")
    np.testing.assert_allclose(published[1], alone, rtol=1e-3, atol=1e-3)
