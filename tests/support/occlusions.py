"""Changes to the frames of a video that hide what a face does, each with a known truth."""

import cv2
import numpy as np

MOUTH, RIGHT_EYE, LEFT_EYE = (78, 308), (33, 133), (362, 263)
WHERE = {"mouth": (MOUTH,), "eye": (RIGHT_EYE,), "eyes": (RIGHT_EYE, LEFT_EYE), "mouth and eye": (MOUTH, LEFT_EYE)}


def cover(image, face, where, texture, seed=0):
    """Returns a copy of an image [height, width, 3] with boxes over parts of its face [478, 3].

    Args:
        image: RGB.
        face: landmarks.
        where: a key of WHERE.
        texture: flat (a grey box), skin (the cheek's colour), or textured (skin with stripes as of fingers).
        seed: of the texture, which stays the same in all frames.
    """
    image = image.copy()
    points = face[:, :2] * image.shape[1::-1]
    eyes = np.linalg.norm(points[33] - points[263])
    cheek = points[205].astype(int)
    skin = image[cheek[1] - 2 : cheek[1] + 3, cheek[0] - 2 : cheek[0] + 3].mean(axis=(0, 1))
    for part in WHERE[where]:
        half = eyes * np.array([0.45, 0.3] if part is MOUTH else [0.3, 0.25])
        centre = points[list(part)].mean(axis=0)
        left, top = np.maximum(0, centre - half).astype(int)
        right, bottom = (centre + half).astype(int)
        box = image[top:bottom, left:right]
        box[:] = 128 if texture == "flat" else skin
        if texture == "textured":
            stripes = 0.8 + 0.2 * np.cos(np.linspace(0, 4 * 2 * np.pi, box.shape[1]))[:, None]
            noise = cv2.resize(np.random.default_rng(seed).normal(0, 8, (8, 8)), box.shape[1::-1])[..., None]
            box[:] = np.clip(box * stripes + noise, 0, 255)
    return image


def darken(image, rng):
    """Returns the image as a camera sees it with hardly any light: a twelfth of it, and noise."""
    return np.clip(image / 12 + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)


def replace(image):
    """Returns an image of what could be another person elsewhere: mirrored, narrower, darker, and off its place."""
    height, width = image.shape[:2]
    other = cv2.resize(image[:, ::-1], (int(0.62 * width), int(0.8 * height)))
    other = (other * 0.8).astype(np.uint8)
    canvas = np.full_like(image, 90)
    canvas[: other.shape[0], : other.shape[1]] = other
    return canvas


def scores(flagged, truth):
    """Returns precision and recall of flags [T] against the truth [T], both bool."""
    hits = (flagged & truth).sum()
    return hits / max(1, flagged.sum()), hits / max(1, truth.sum())
