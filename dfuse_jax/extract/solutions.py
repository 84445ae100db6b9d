"""MediaPipe's Attention Mesh and face detector, one of each in a process: loading takes as long as a short video."""

import functools

import numpy as np

from dfuse_jax.extract.native import quiet, require
from dfuse_jax.runtime.errors import UserError


@functools.cache
def prepare():
    """(mesh, detector); raises UserError when MediaPipe is not installed, or has neither."""
    try:
        solutions = require("mediapipe").solutions
    except AttributeError as error:  # later releases dropped them
        raise UserError(
            'This mediapipe release has no Face Mesh; one that has: pip install -e ".[extract]" in the checkout'
        ) from error
    with quiet():
        mesh = solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
        detector = solutions.face_detection.FaceDetection(model_selection=1)  # also far, small faces
        for solution in (mesh, detector):
            _load(solution)
    return mesh, detector


def restart(solution) -> None:
    """Nothing of the last video is left in it."""
    with quiet():
        solution.reset()
        _load(solution)


def _load(solution):
    """It loads its model, and logs it, after it is said to have started: waits for that."""
    solution.process(np.zeros((64, 64, 3), np.uint8))


def landmarks(mesh, image: np.ndarray) -> np.ndarray | None:
    """[478, 3] float32, or None without a face."""
    with quiet():
        faces = mesh.process(image).multi_face_landmarks
    return np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32) if faces else None


def boxes(detector, image: np.ndarray) -> np.ndarray:
    """[faces, 4]: left, top, width, height of every face, as fractions of the image."""
    with quiet():
        found = detector.process(image).detections or []
    found = [detection.location_data.relative_bounding_box for detection in found]
    return np.array([(box.xmin, box.ymin, box.width, box.height) for box in found]).reshape(-1, 4)
