"""MediaPipe's Attention Mesh and face detector, one of each in a thread: loading takes as long as a short video."""

import hashlib
import os
import pathlib
import threading
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dfuse_jax.extract.native import quiet, require
from dfuse_jax.runtime.errors import UserError

RELEASE = "0.10.14"  # of MediaPipe; it needs no old NumPy, and has wheels for ARM too
# SHA-256 of the files of MediaPipe's wheel that landmarks depend on. 0.10.21 holds the same ones, later releases none.
MODELS = {
    "face_landmark/face_landmark_with_attention.tflite": (
        "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4"
    ),
    "face_detection/face_detection_short_range.tflite": (
        "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"
    ),
    "face_detection/face_detection_full_range_sparse.tflite": (
        "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1"
    ),
}


class Networks(NamedTuple):
    """What finds faces.

    Attributes:
        mesh: MediaPipe's FaceMesh with the Attention Mesh, which follows one face from frame to frame.
        detector: MediaPipe's FaceDetection, which finds every face of an image.
    """

    mesh: Any
    detector: Any

    def restart(self) -> None:
        """Forgets the last video."""
        with quiet():
            for solution in self:
                solution.reset()
                _wait(solution)


_of_thread = threading.local()  # two videos at once would take each other's face for that of the frame before


def networks() -> Networks:
    """Returns this thread's networks, loaded at the first call.

    Raises:
        UserError: MediaPipe is not installed, or has other models than MODELS.
    """
    if not hasattr(_of_thread, "networks"):
        mediapipe = require("mediapipe")
        check_models(pathlib.Path(str(mediapipe.__file__)).parent / "modules", mediapipe.__version__)
        with quiet():
            mesh = mediapipe.solutions.face_mesh.FaceMesh(
                static_image_mode=False, max_num_faces=1, refine_landmarks=True
            )
            detector = mediapipe.solutions.face_detection.FaceDetection(model_selection=1)  # also far, small faces
            loaded = Networks(mesh, detector)
            for solution in loaded:
                _wait(solution)
        _of_thread.networks = loaded
    return _of_thread.networks


def discard() -> None:
    """Drops this thread's networks, which an error of native code leaves broken; the next call loads new ones."""
    vars(_of_thread).pop("networks", None)


def check_models(folder: str | os.PathLike, version: str) -> None:
    """Checks that landmarks will be those of every other installation.

    Args:
        folder: `mediapipe/modules` of the installed wheel.
        version: of that wheel.

    Raises:
        UserError: a file of MODELS is missing or another one.
    """
    for name, expected in MODELS.items():
        path = pathlib.Path(folder) / name
        actual = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if actual != expected:
            state = "is missing" if actual is None else f"has SHA-256 {actual}"
            raise UserError(
                f"{path}, a model of MediaPipe {version}, {state}; expected {expected}, as in MediaPipe {RELEASE}. "
                f'Install that release: pip install "mediapipe=={RELEASE}"'
            )


def find_landmarks(networks: Networks, image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "478 3"] | None:
    """Returns the landmarks of the face that the mesh follows, float32 in MediaPipe's coordinates; None without one."""
    with quiet():
        faces = networks.mesh.process(image).multi_face_landmarks
    return np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32) if faces else None


def find_boxes(networks: Networks, image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "faces 4"]:
    """Returns the boxes of all faces, [faces, 4]: left, top, width, height as fractions of the image."""
    with quiet():
        detections = networks.detector.process(image).detections or []
    boxes = [detection.location_data.relative_bounding_box for detection in detections]
    return np.array([(box.xmin, box.ymin, box.width, box.height) for box in boxes]).reshape(-1, 4)


def _wait(solution) -> None:
    """Waits until the solution has loaded its model (and logged it), which it does after it is said to have started."""
    solution.process(np.zeros((64, 64, 3), np.uint8))
