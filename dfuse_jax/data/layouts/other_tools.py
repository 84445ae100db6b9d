"""Landmarks that other tools have saved: py-feat's tables with the mesh of 478 points, MediaPipe Tasks' as JSON.

Both come from another network than Attention Mesh, so that a model which was trained on one sees more than smiles in
the difference; `Sample.network` carries the name, and a verdict the caution.
"""

import collections
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.synthetic.muscles import neutral_face
from dfuse_jax.runtime.errors import UserError

PY_FEAT, TASKS = "py-feat", "MediaPipe Tasks"
FEX = ("facerectx", "facerectwidth", "facescore")  # columns of py-feat's tables, in lower case
DLIB = 68  # landmarks of OpenFace, dlib and py-feat's first detector
RIGID = (10, 33, 133, 168, 1, 362, 263, 234, 454, 127, 356)  # forehead, corners of the eyes, nose, temples


def refuse_68(path: pathlib.Path, header: Sequence[str]) -> None:
    """Raises UserError if the columns are those of 68 landmarks without a mesh, as OpenFace and py-feat write them."""
    names = {name.strip().lower() for name in header}
    numbers = {int(name[2:]) for name in names if name.startswith("x_") and name[2:].isdecimal()}
    if numbers == set(range(DLIB)) and not any(name.startswith("mesh_x_") for name in names):
        raise UserError(
            f"{path}: has {DLIB} landmarks, as OpenFace, dlib and py-feat's Detector give them. The D-Markers need "
            f"cheeks, which these lack, and the networks need the mesh of {NUM_LANDMARKS}. Extract the video itself."
        )


def is_fex(header: Sequence[str]) -> bool:
    """Tells whether the columns are those of a table of py-feat's."""
    return set(FEX) <= {name.strip().lower() for name in header}


def refuse_several_faces(path: pathlib.Path, frames: Sequence[float]) -> None:
    """Raises UserError if a table of py-feat's has two lines of one frame, as it has a line for each face."""
    several = [frame for frame, count in collections.Counter(frames).items() if count > 1]
    if several:
        raise UserError(
            f"{path}: frame {several[0]:g} has several faces ({len(several)} such frames). Keep the lines of one "
            "person, by the column Identity."
        )


def scale_depth(
    landmarks: Float[np.ndarray, "frames 478 3"], widths: Float[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames 478 3"]:
    """Returns the landmarks with z in the scale of x and y.

    py-feat brings x and y back to the image, and leaves z in units of its crop of the face: 256 to the crop's width
    (MPDetector), or 1 (Detectorv2). The crop is what its columns FaceRect give, and changes from frame to frame. The
    unit is found from the face: one at rest is laid over the firm points of every frame (RIGID), as a camera far away
    sees it, turned, scaled and moved so that x and y agree best. What depth it then has is what z should be; the median
    over the frames is taken.

    Args:
        landmarks: [T, 478, 3] in pixels, z in units of the crop; NaN in frames without a face.
        widths: [T], of the crops in pixels.
    """
    landmarks = landmarks * np.stack([np.ones_like(widths), np.ones_like(widths), widths], axis=-1)[:, None]
    face = neutral_face()[list(RIGID)].astype(float)
    face = face - face.mean(axis=0)
    factors = []
    for frame in landmarks[~np.isnan(landmarks[:, 0, 0])][:, list(RIGID)]:
        points = frame - frame.mean(axis=0)
        camera, *_ = np.linalg.lstsq(face, points[:, :2], rcond=None)
        scale = np.sqrt(np.linalg.norm(camera[:, 0]) * np.linalg.norm(camera[:, 1]))
        depth = face @ np.cross(camera[:, 0], camera[:, 1]) / scale
        if (points[:, 2] @ points[:, 2]) > 0:
            factors.append(depth @ points[:, 2] / (points[:, 2] @ points[:, 2]))
    factor = float(np.median(factors)) if factors else 1.0
    return landmarks * np.array([1, 1, factor])


def read_json(path: pathlib.Path) -> Float[np.ndarray, "frames 478 3"]:
    """Reads the results of MediaPipe Tasks' Face Landmarker, a list with one for each frame, saved as JSON.

    A result is the object itself with `face_landmarks` (Python) or `faceLandmarks` (JavaScript), or only what these
    hold: a list of faces, each of landmarks, each {x, y, z} or [x, y, z]. The list may be in an object's `frames` or
    `results`.

    Returns:
        [T, 478, 3] fractions of the image, NaN in frames without a face.

    Raises:
        UserError: it is none of these, or a frame has several faces.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}).") from error
    if isinstance(content, dict):
        content = content.get("frames", content.get("results"))
    if not isinstance(content, list) or not content:
        raise UserError(f"{path}: expected a list of MediaPipe Tasks' results, one for each frame.")
    landmarks = np.full((len(content), NUM_LANDMARKS, 3), np.nan)
    for number, result in enumerate(content):
        faces = list(_faces(result))
        if len(faces) > 1:
            raise UserError(f"{path}: frame {number} has {len(faces)} faces. Save those of one person.")
        if faces:
            landmarks[number] = _face(path, number, faces[0])
    return landmarks


def _faces(result: Any) -> Iterator[list]:
    """Yields the faces of a frame."""
    if isinstance(result, dict):
        result = result.get("face_landmarks", result.get("faceLandmarks"))
    if not result:
        return
    first = result[0]
    single = isinstance(first, dict) or (isinstance(first, list) and first and isinstance(first[0], int | float))
    yield from [result] if single else [face for face in result if face]


def _face(path: pathlib.Path, frame: int, points: list) -> Float[np.ndarray, "478 3"]:
    try:
        face = np.array([[p["x"], p["y"], p["z"]] if isinstance(p, dict) else p for p in points], float)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: frame {frame}: a landmark has no x, y and z ({error}).") from error
    if face.shape != (NUM_LANDMARKS, 3):
        raise UserError(f"{path}: frame {frame}: has landmarks of shape {face.shape}, expected ({NUM_LANDMARKS}, 3).")
    return face
