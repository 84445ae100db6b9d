"""Landmarks of the face in a video, by MediaPipe's Attention Mesh."""

import contextlib
import os
import pathlib
from collections.abc import Callable

import numpy as np

from dfuse_jax.data.samples import Sample
from dfuse_jax.errors import UserError
from dfuse_jax.extract.native import quiet, require
from dfuse_jax.extract.video import read_frames
from dfuse_jax.files import checksum

# Several faces are noticed by a detector of their own, not by a mesh with max_num_faces=2: on a clean video of one face
# both give the same landmarks to the bit (this mesh smooths nothing), but on a noisy one the second tracker settles on
# the same face, disturbs the first and reports two. The detector takes 1.2 ms, so it looks at every 5th frame only.
EVERY = 5


def extract(path: str | os.PathLike, *, on_frame: Callable[[int, int], None] | None = None) -> Sample:
    """Finds the landmarks in every frame of a video of one face.

    Args:
        path: the video.
        on_frame: called after every frame with the frames done and the frames promised (0 when not known).

    Returns:
        The sample, named after the file: landmarks [T, 478, 3] float32 in MediaPipe's own coordinates.

    Raises:
        UserError: the video cannot be read, or does not show exactly one face in every frame.
    """
    path = pathlib.Path(path)
    video, images = read_frames(path)
    landmarks, suspect = [], None
    with contextlib.closing(images), _mesh_and_detector() as (mesh, detector):
        for index, image in enumerate(images):
            landmarks.append(_landmarks(mesh, image))
            # One look at two faces may be a false alarm, so the frame after it is looked at too.
            if index % EVERY == 0 or suspect is not None:
                faces = _count(detector, image)
                if faces > 1 and suspect is not None:
                    raise UserError(f"{path}: shows {faces} faces in frame {suspect}. Crop it to one face.")
                suspect = index if faces > 1 else None
            if on_frame:
                on_frame(index + 1, video.frames)
    _check_found(path, landmarks)
    return Sample(path.stem, np.stack(landmarks), video.fps, video.image_size, source=checksum(path))


def _check_found(path, landmarks):
    missing = [index for index, face in enumerate(landmarks) if face is None]
    if len(missing) == len(landmarks):
        raise UserError(f"{path}: no face found in any of its {len(landmarks)} frames. Pass a video of a face.")
    if missing:
        raise UserError(
            f"{path}: no face found in {len(missing)} of its {len(landmarks)} frames, first in frame {missing[0]}. "
            "Cut the video to where the face is in full view."
        )


@contextlib.contextmanager
def _mesh_and_detector():
    try:
        solutions = require("mediapipe").solutions
    except AttributeError as error:  # later releases dropped them
        raise UserError(
            'This mediapipe release has no Face Mesh; one that has: pip install -e ".[extract]" in the checkout'
        ) from error
    with quiet():
        mesh = solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
        detector = solutions.face_detection.FaceDetection(model_selection=1)  # also far, small faces
        for solution in (mesh, detector):  # they load their models, and log it, after they return: wait for that
            solution.process(np.zeros((64, 64, 3), np.uint8))
    try:
        yield mesh, detector
    finally:
        with quiet():
            mesh.close()
            detector.close()


def _landmarks(mesh, image):
    """[478, 3] float32, or None without a face."""
    with quiet():
        faces = mesh.process(image).multi_face_landmarks
    return np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32) if faces else None


def _count(detector, image):
    with quiet():
        return len(detector.process(image).detections or [])
