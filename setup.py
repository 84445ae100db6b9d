"""Puts the recipes of configs/ into wheels, as dfuse_jax/configs/; everything else stands in setup.cfg.

Not `package_dir`, which can say the same in a line: it would make editable installs go through an import hook, which
neither type checkers nor editors follow. Not a link in dfuse_jax/, which archives and copies of a checkout may lose.
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
