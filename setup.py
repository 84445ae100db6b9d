"""Puts the recipes of configs/ into wheels, as dfuse_jax/configs/; everything else stands in setup.cfg.

`package_dir` could say so in setup.cfg, but only for a package that is listed, beside a list of all others in the place
of `find:`, and the recipes would be modules to import, which they are not. A link in dfuse_jax/ would be lost by some
archives and copies of a checkout.
"""

import pathlib

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Copies the recipes after the modules; an editable install reads those of the checkout."""

    def run(self):
        """Builds."""
        super().run()
        if not self.editable_mode:
            for recipe, copy in self._recipes():
                self.mkpath(str(copy.parent))
                self.copy_file(str(recipe), str(copy))

    def get_outputs(self, include_bytecode=True):
        """Lists what is built."""
        copies = [] if self.editable_mode else [str(copy) for _, copy in self._recipes()]
        return super().get_outputs(include_bytecode) + copies

    def _recipes(self):
        folder = pathlib.Path(self.build_lib, "dfuse_jax", "configs")
        return [(recipe, folder / recipe.name) for recipe in sorted(pathlib.Path("configs").glob("*.py"))]


setup(cmdclass={"build_py": BuildWithRecipes})
