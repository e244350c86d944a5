"""Builds wheels that are the whole product; everything else that there is to say stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# What the obcn command needs beside its own package, as obcn/resources.py finds it.
BUNDLED = ("app", "analysis", "checkpoints", "configs", "results")
# Drawn again from the tables beside them, and not in the repository; and 14 MB that only studies need, in a clone.
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.html", "plotly.min.js", "trunk")


class BuildWithBundle(build_py):
    """Puts those folders below the package, where they are in nobody's way, except in an editable install."""

    def run(self) -> None:
        """Build as ever, then copy."""
        super().run()
        if self.editable_mode:
            return
        bundle = Path(self.build_lib) / "obcn" / "_bundle"
        shutil.rmtree(bundle, ignore_errors=True)
        for name in BUNDLED:
            shutil.copytree(Path(__file__).parent / name, bundle / name, ignore=LEFT_OUT)


setup(cmdclass={"build_py": BuildWithBundle})
