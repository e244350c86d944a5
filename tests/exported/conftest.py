from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.exported.modules import FORMS, export

SIZE = (128, 160)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a form's file once: (name of the form, whether by the newer exporter) to its path."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def written(form: str, dynamo: bool = False) -> Path:
        if dynamo:
            pytest.importorskip("onnxscript")
        module, metadata = FORMS[form]
        return export(module(), folder / f"{form}{'-dynamo' * dynamo}.onnx", SIZE, dynamo, **metadata)

    return written


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """Smooth noise of the forms' own input size, so that nothing is resized."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(SIZE[::-1], Image.Resampling.BICUBIC)
