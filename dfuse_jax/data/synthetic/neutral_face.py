"""Makes `neutral_face.npy`, the face of the synthetic smiles: `python -m dfuse_jax.data.synthetic.neutral_face`.

Attention Mesh finds the 478 landmarks on `skimage.data.astronaut()` (Eileen Collins, NASA, public domain). She smiles
broadly in that photograph, so what Attention Mesh finds is not a neutral face. It is relaxed by geometry:

1. turned to the viewer and brought to the coordinates of `dfuse_jax.data.synthetic.muscles`;
2. the smile is taken back: lip corners in, down and forward, cheeks down, by the muscles' own fields;
3. the lips are closed but for a slit.

The result looks like a face at rest. It is not how this person looks at rest, which the photograph cannot tell.
"""

import numpy as np
from jaxtyping import Float, Float32

from dfuse_jax.data.synthetic import muscles
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

CROP, ZOOM = (
    (slice(0, 300), slice(80, 380)),
    3,
)  # rows and columns of the head; enlarged for the detector
CONTRACTIONS = {"smile": -0.9, "cheek": -0.6, "lids": 0.0, "jaw": 0.0}  # that take the smile back
CLOSED = 0.9  # the share of the gap between the lips that is closed

EYE_CORNERS, FOREHEAD, CHIN = (33, 133, 362, 263), 10, 152


def make() -> Float32[np.ndarray, "478 3"]:
    """Returns the relaxed face, in the face coordinates of `dfuse_jax.data.synthetic.muscles`."""
    return relax(upright(photographed())).astype(np.float32)


def photographed() -> Float[np.ndarray, "478 3"]:
    """Returns the landmarks that Attention Mesh finds on the photograph; it is square, so the axes have one scale.

    Raises:
        UserError: MediaPipe, OpenCV or scikit-image is not installed.
    """
    try:
        import cv2
        import mediapipe
        import skimage.data
    except ImportError as error:
        raise UserError(f'{error}. Install what is missing: pip install "dfuse_jax[extract]" scikit-image') from error
    image = cv2.resize(skimage.data.astronaut()[CROP], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC)
    face_mesh = mediapipe.solutions.face_mesh  # pyright: ignore[reportAttributeAccessIssue]: it is imported at run time
    with face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True) as mesh:
        faces = mesh.process(image).multi_face_landmarks
    return np.array([(point.x, point.y, point.z) for point in faces[0].landmark])


def upright(points: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478 3"]:
    """Turns the face to the viewer: x along the eyes, y from the forehead to the chin; eyes at distance 1."""
    right = points[list(EYE_CORNERS[:2])].mean(axis=0)
    left = points[list(EYE_CORNERS[2:])].mean(axis=0)
    distance = np.linalg.norm(left - right)
    x = (left - right) / distance
    down = points[CHIN] - points[FOREHEAD]
    z = np.cross(x, down)
    z /= np.linalg.norm(z)
    y = np.cross(z, x)
    return (points - (left + right) / 2) @ np.stack([x, y, z], axis=1) / distance


def relax(face: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "478 3"]:
    """Takes the smile back and closes the lips."""
    contractions = [CONTRACTIONS[name] for name in muscles.MUSCLES]
    face = face + np.tensordot(contractions, muscles.muscles(face), 1)
    return face + CLOSED * muscles.closing(face, muscles.LIPS, upper=0.5, radius=0.25)


if __name__ == "__main__":
    with atomic(muscles.NEUTRAL_FACE, "wb") as file:
        np.save(file, make())
    print(f"Wrote {muscles.NEUTRAL_FACE}")
