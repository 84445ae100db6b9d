"""The recipe of the toy network on pixels, for launch/cv.py: of training as a whole it needs a fraction of the time."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import toys


def get_config():
    """Returns the recipe; two runs of three folds."""
    toys.register()
    config = toys.recipe("pixels")
    config.cv.runs = 2
    return config
