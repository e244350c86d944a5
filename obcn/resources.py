"""Where what travels with the code lies: in a clone beside this package, installed from a wheel inside it."""

from pathlib import Path

# A wheel must not put packages called app and analysis among other people's; setup.py says what it puts here instead.
_BUNDLE = Path(__file__).resolve().parent / "_bundle"

# Holds app/, analysis/, checkpoints/, configs/ and results/.
ROOT = _BUNDLE if _BUNDLE.is_dir() else _BUNDLE.parents[1]
