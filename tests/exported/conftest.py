from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.exported.modules import files_in


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """See :func:`files_in`."""
    return files_in(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """Smooth noise of the forms' own input size, so that nothing is resized."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((160, 128), Image.Resampling.BICUBIC)
