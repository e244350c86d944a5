"""Record files of the shipped pair on the sample photos, written once for all browser tests."""

import tempfile
from functools import cache
from pathlib import Path

from obcn.checkpoints import load_checkpoint
from obcn.data.coco import read_coco
from obcn.records.write import write_records

SAMPLES = Path("app/samples")
OBJECTS = 18


@cache
def sample_records() -> list[str]:
    """Paths of the files, OBCN's first."""
    folder = Path(tempfile.mkdtemp(prefix="obcn-test-records-"))
    data = SAMPLES / "truth.json"
    annotations = read_coco(SAMPLES, data)
    command = f"obcn eval --images {SAMPLES} --annotations {data}"
    for name in ("obcn", "regression"):
        detector, card = load_checkpoint(name)
        write_records(detector, name, card, annotations, folder / f"{name}.parquet", command, str(data))
    return [str(path) for path in sorted(folder.iterdir())]
