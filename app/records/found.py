"""What lies here for everybody: record files, and the data sets that are offered where nobody names one."""

import shlex
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from app.hosting import offer
from app.paths import from_here
from app.sources import RECORD_ENDING, is_data_file
from obcn.data import load_data_config, read_validation
from obcn.data.sources import CocoData, VocData, YoloData
from obcn.errors import UserError
from obcn.records.files import RecordInfo, read_info
from obcn.resources import ROOT

RECORD_FOLDERS = (Path("runs/records"), Path("runs/app-records"))
SHIPPED = ROOT / "results" / "records"
DATA_SETS = (
    ("data/voc2012-animals/annotations/instances_val.json", "data/voc2012-animals/JPEGImages"),
    (str(ROOT / "app" / "samples" / "truth.json"), str(ROOT / "app" / "samples")),
)


def found_records() -> list[str]:
    """Record files in the folders where they are looked for, those that ship last."""
    folders = (*RECORD_FOLDERS, SHIPPED)
    return [from_here(path) for folder in folders for path in sorted(folder.glob(f"**/*{RECORD_ENDING}"))]


def is_shipped(path: Path | str) -> bool:
    """Whether a record file came with the app."""
    return Path(path).resolve().is_relative_to(SHIPPED)


def shipped_folder(which: str) -> Path:
    """Where the records that ship lie, of one data set."""
    return SHIPPED / which


def photos_of_the_many() -> bool:
    """Whether the photos of the larger set that ships, which do not ship too, lie here."""
    return any(Path(data).is_file() for data, _ in DATA_SETS[:1])


def default_source() -> tuple[str, str]:
    """The first data set that lies here."""
    found = next((source for source in DATA_SETS if Path(source[0]).is_file()), None)
    return ("", "") if found is None else (from_here(Path(found[0])), from_here(Path(found[1])))


def stamp(path: Path) -> int:
    """Changes when the file does; what is kept of a file goes by path and stamp.

    Raises:
        UserError: missing.
    """
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no such file; `obcn eval --records {path}` writes one") from error


def info_of(path: Path) -> RecordInfo:
    """What a record file says of itself, read anew when it changes.

    Raises:
        UserError: as :func:`obcn.records.files.read_info`.
    """
    return _info(path, stamp(path))


def options_of(info: RecordInfo) -> dict[str, str]:
    """The options of the command that wrote a record file, and whatever else stands before a word in it."""
    try:
        return dict(pairwise(shlex.split(info.command)))
    except ValueError:  # a quote that is never closed: nobody could have typed that
        return {}


def offer_what_lies_here() -> None:
    """Let visitors of a hosted server look at its owner's record files, and at the photos and boxes that these name."""
    for folder in (*RECORD_FOLDERS, SHIPPED):
        offer(folder)
    for word in (word for source in DATA_SETS for word in source):
        offer(Path(word))
    for path in map(Path, found_records()):
        with suppress(UserError):  # a damaged file says so on the page
            info = info_of(path)
            options = options_of(info)
            for word in (info.data, *(options.get(name, "") for name in ("--annotations", "--images", "--voc"))):
                with suppress(UserError):
                    _offer_data(word)


# Few: of an upload each may be several megabytes large.
@lru_cache(maxsize=32)
def _info(path: Path, stamp: int) -> RecordInfo:
    return read_info(path)


def _offer_data(word: str) -> None:
    """Offer a data set, and what its data file leads to."""
    if not word or not Path(word).expanduser().exists():
        return
    offer(Path(word).expanduser())
    match load_data_config(Path(word).expanduser()) if is_data_file(word) else None:
        case CocoData(val=split):
            offer(split.annotations)
            offer(split.images)
        case VocData(val=split):
            offer(split.root)
        case YoloData() as config:
            offer(read_validation(config).folder)
