"""Changes members of .npz files."""

import io
import zipfile

import numpy as np


def rewrite(path, **changes):
    """Replaces members of the archive, or adds them; None takes one out."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def npy(array, **options):
    """Returns an array as the file of a .npz."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()
