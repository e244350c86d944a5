"""Which record files and which photos: the side panel that Explore and Errors share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from app.detectors import model_of_card
from app.hosting import is_hosted, offer
from app.markup import plain
from app.paths import existing, from_here, reachable, typed_path
from app.records.found import (
    RECORD_FOLDERS,
    default_source,
    found_records,
    info_of,
    is_shipped,
    offer_what_lies_here,
    options_of,
    photos_of_the_many,
    shipped_folder,
)
from app.sources import DATA_ENDINGS, RECORD_ENDING, is_data_file, voc_root
from app.uploads import UploadFolder, stored_name
from obcn.errors import UserError
from obcn.records.files import RecordInfo, count_rows, info_size
from obcn.resources import ROOT
from obcn.tables.matched import distinct_names

# Bytes that visitors' record files may have together.
MOST_UPLOADED = 1_000_000_000
# Rows that an uploaded record file may have: more than 30 MB of real ones hold, and about 90 MB once read. Identical
# rows take next to nothing on the disk.
MOST_ROWS = 500_000
# Bytes that its card and classes may take; those of a thousand classes are 50 kB, and in memory ten times that.
MOST_SAID = 200_000
# Of the records that ship: many photos, which do not ship too, and the few samples, which do.
MANY, SAMPLES = "voc2012-animals-val", "samples"
# What a page shows that has no record file.
MAKE_RECORDS = "\n".join(
    f"obcn eval --model {model} --images photos --annotations val.json --records runs/records/{model}.parquet"
    for model in ("regression", "obcn")
)
# What is chosen, and the keys of the controls for it on either page, which are the names in the page's address too.
# Two pages may not share a key: Streamlit lets no page write to the address what a control of the page before is bound
# to. Nor may a key be one of the names that Compare's links have.
EXPLORE_KEYS = {"records": "records", "truth": "truth", "folder": "folder"}
ERRORS_KEYS = {"records": "files"}
_SHARED, _MADE = "records-shared", "records-made"


@dataclass(frozen=True)
class Choice:
    """What the visitor looks at.

    Attributes:
        paths: record files; none to look at a data set alone.
        names: of their models, no two alike.
        infos: what each file says of itself.
        data: where the true boxes are, as :mod:`app.sources` takes it; empty if unknown.
        photos: folder of the photos; empty if unknown or the data set's own.
        link: the choice as query parameters of Explore.
    """

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    infos: tuple[RecordInfo, ...]
    data: str
    photos: str
    link: dict[str, list[str] | str]


def choose_records(keys: Mapping[str, str], others: Sequence[str] = ()) -> Choice:
    """Draw the controls in the side panel; a visitor who comes from the other page finds the same choice here.

    What is wrong with a file is said, and the others are used.

    Args:
        keys: the page's, of the controls that it wants.
        others: keys of the page's other controls that stand in its address.

    Raises:
        UserError: the words for the true boxes cannot be a path.
    """
    if is_hosted():
        # Nothing of the other page's choice may stand in for fields that are not drawn.
        keys = {"records": keys["records"]}
        offer_what_lies_here()
    _arrive(keys, others)
    state = st.session_state
    with st.sidebar:
        yours = st.container() if "folder" in keys else None
        _choose_files(keys["records"])
        paths, infos, problems = _read(state[keys["records"]])
        data, photos = source_of(infos[0]) if infos else default_source()
        with st.expander("Upload record files"):
            _upload_files(keys["records"])
        if yours is not None:
            with yours:
                _name_photos(keys, data, photos)
        for problem in problems:
            st.warning(f"{plain(problem)}. It is left out.", icon=":material/warning:")
    shared = {**state.get(_SHARED, {}), **{name: state[key] for name, key in keys.items()}}
    state[_SHARED] = shared
    truth, folder = own_data(shared.get("truth", "").strip(), shared.get("folder", "").strip())
    if truth or folder:
        # A VOC folder and a data file bring their own photos; other truth is of those that the record file names.
        photos = folder or ("" if voc_root(truth) or is_data_file(truth) else photos)
        data = truth or data
    link = {EXPLORE_KEYS[name]: value for name, value in shared.items() if value}
    names = distinct_names(paths, [_as_known_here(info) for info in infos])
    return Choice(tuple(paths), tuple(names), tuple(infos), data, photos, link)


def say_what_ships(choice: Choice) -> None:
    """Where a page shows nothing but records that ship: what they are, and how to make one's own."""
    if not choice.paths or not all(map(is_shipped, choice.paths)):
        return
    run = "" if is_hosted() else "name them in Explore and run any model there, or "
    st.info(
        f"**An example that ships:** what {plain(' and '.join(choice.names))} say of {choice.infos[0].photos} photos "
        f"that neither was trained on. For your own photos, {run}give `obcn eval` a "
        "`--records runs/records/mine.parquet`.",
        icon=":material/inventory_2:",
    )


def own_data(truth: str, folder: str) -> tuple[str, str]:
    """What a visitor means who names a folder alone: of a whole data set, its boxes too.

    A VOC folder, a folder with a data.yaml, and photos with Roboflow's COCO file among them are known.

    Args:
        truth: where the true boxes are, as typed.
        folder: of photos, as typed.
    """
    place = existing(folder)
    if truth or place is None or not place.is_dir():
        return truth, folder
    if all((place / name).is_dir() for name in ("Annotations", "JPEGImages")):
        return folder, ""
    data_file = next((file for ending in DATA_ENDINGS if (file := place / f"data{ending}").is_file()), None)
    if data_file is not None:
        return str(data_file), ""
    coco = place / "_annotations.coco.json"
    return (str(coco), folder) if coco.is_file() else (truth, folder)


def remember_made(paths: Sequence[Path]) -> None:
    """Keep for this visitor which record files the app makes for them: the first that other pages show."""
    st.session_state[_MADE] = [str(path) for path in paths]


def first_records(shipped: str) -> list[str]:
    """What a page shows whose visitor has not chosen: what they had made, else what lies in ``runs/``, else what ships.

    All of one data set, for others have no object in common.

    Args:
        shipped: which of those that ship.
    """
    made = [name for name in st.session_state.get(_MADE, ()) if Path(name).is_file()]
    if made:
        return made
    folders = {Path(name).parent for name in found_records() if not is_shipped(name)}
    main = RECORD_FOLDERS[0]
    if folders:
        folder = main if main in folders else max(folders, key=lambda path: path.stat().st_mtime)
    else:
        # Without their photos the many would be boxes on nothing.
        folder = shipped_folder(shipped)
    if not folder.is_dir():
        return []
    paths, infos, _ = _read([str(folder)])
    return [from_here(path) for path, info in zip(paths, infos, strict=True) if info.data == infos[0].data]


def source_of(info: RecordInfo) -> tuple[str, str]:
    """``data`` and ``photos`` that a record file names, or its command, as far as they lie here."""
    if existing(info.data) and (voc_root(info.data) or is_data_file(info.data)):
        return info.data, ""
    options = options_of(info)
    voc = existing(options.get("--voc", ""))
    if voc and voc.is_dir():
        split = existing(str(voc / "ImageSets" / "Main" / f"{options.get('--split', 'val')}.txt"))
        return str(split or voc), ""
    # The samples lie beside the app, wherever that is.
    words = (options.get(name, "") for name in ("--annotations", "--images"))
    data, photos = (existing(word) or existing(str(ROOT / word)) if word else None for word in words)
    return str(data) if data and data.is_file() else "", str(photos) if photos and photos.is_dir() else ""


def _arrive(keys: Mapping[str, str], others: Sequence[str]) -> None:
    """A link says what to look at; without one, the last look at this page, or the choice of the other; else what is
    found.

    All by way of the address, which can be copied and reloaded. Streamlit itself forgets it where a visitor comes back
    by the browser's button.
    """
    state, address = st.session_state, st.query_params
    memory = f"{keys['records']}-address"
    # Streamlit drops the state of controls, but of those in the address, when a visitor leaves their page.
    came = _upload_key(keys["records"]) not in state
    if came and not any(key in address for key in keys.values()):
        shared = _shared_with(keys)
        wanted = {} if any(key in address for key in others) else state.get(memory, {})
        wanted = {key: value for key, value in wanted.items() if key in others}
        wanted |= {key: shared[name] for name, key in keys.items() if shared.get(name)}
        if wanted:
            for key in (*keys.values(), *others):
                state.pop(key, None)
            address.update(wanted)
            # Controls read the address where a run starts.
            st.rerun()
    state[memory] = {key: address.get_all(key) for key in (*keys.values(), *others) if key in address}


def _shared_with(keys: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    """The choice of the other page, if the visitor chose; else the first that this one shows."""
    shared = st.session_state.get(_SHARED, {})
    if any(not is_shipped(name) for name in shared.get("records", ())):
        return shared
    explores = "folder" in keys
    if explores and (shared.get("truth") or shared.get("folder")):
        return {**shared, "records": []}
    return {**shared, "records": first_records(SAMPLES if explores and not photos_of_the_many() else MANY)}


def _choose_files(key: str) -> None:
    found, hosted = found_records(), is_hosted()
    if hosted:
        # Uploads have a path too, and a link keeps it.
        named = [*st.query_params.get_all(key), *st.session_state.get(key, [])]
        found = list(dict.fromkeys([*found, *(word for word in named if existing(word))]))
    typing = "" if hosted else ", or type a file's or a folder's path"
    st.multiselect(
        "Record files",
        found,
        key=key,
        bind="query-params",
        accept_new_options=not hosted,
        placeholder="a file" if hosted else "a file or a folder of them",
        help=f"What `obcn eval --records` wrote. Choose from those found here{typing}.",
    )


def _upload_files(key: str) -> None:
    st.file_uploader(
        "Upload record files",
        type=RECORD_ENDING[1:],
        accept_multiple_files=True,
        key=_upload_key(key),
        on_change=_take_upload,
        args=(key,),
    )
    for problem in st.session_state.pop(_refused_key(key), ()):
        st.error(plain(problem), icon=":material/error:")


def _name_photos(keys: Mapping[str, str], data: str, photos: str) -> None:
    folder = st.text_input(
        "Your photos",
        key=keys["folder"],
        bind="query-params",
        on_change=_leave_what_ships,
        args=(keys["records"],),
        placeholder=photos or "a folder, or a VOC folder",
        help="The folder of photos; of a VOC folder or one with a data.yaml, the true boxes come along. Left empty, "
        "the one that the record file names.",
    )
    st.text_input(
        "Their true boxes",
        key=keys["truth"],
        bind="query-params",
        on_change=_leave_what_ships,
        args=(keys["records"],),
        placeholder=own_data("", folder.strip())[0] or data or "COCO file, VOC folder or data.yaml",
        help="A COCO file, a VOC folder, one split of it (…/ImageSets/Main/val.txt), or a data file as `obcn train` "
        "takes it, YOLO's too. Left empty, what the record file names.",
    )


def _leave_what_ships(key: str) -> None:
    """Whoever names photos wants to see these, and not what came with the app."""
    if all(map(is_shipped, st.session_state[key])):
        st.session_state[key] = []


def _read(words: Sequence[str]) -> tuple[list[Path], list[RecordInfo], list[str]]:
    """Files behind what was typed, what each says of itself, and what is wrong with those that are left out."""
    paths: list[Path] = []
    infos: list[RecordInfo] = []
    problems: list[str] = []
    for word in filter(None, words):
        try:
            path = typed_path(word)
        except UserError as error:
            problems.append(str(error))
            continue
        files = sorted(path.glob(f"*{RECORD_ENDING}")) if path.is_dir() else [path]
        if not files:
            problems.append(f"{path} holds no {RECORD_ENDING} file")
        for file in files:
            if file in paths:
                continue
            try:
                infos.append(info_of(reachable(file)))
                paths.append(file)
            except UserError as error:
                problems.append(str(error))
    return paths, infos, problems


def _as_known_here(info: RecordInfo) -> RecordInfo:
    """The info with the name that the other pages know its model by, if they do."""
    name = model_of_card(info.card, info.checkpoint_name)
    return info if name is None else info.model_copy(update={"model": name + info.decoding})


def _upload_key(key: str) -> str:
    return f"{key}-upload"


def _refused_key(key: str) -> str:
    return f"{key}-refused"


def _take_upload(key: str) -> None:
    """Put uploaded files among the chosen: on this server's disk, under their own names."""
    state = st.session_state
    for file in state[_upload_key(key)] or ():
        name = stored_name(file.name)
        try:
            path = _keep(name, file.getvalue())
        except UserError as error:
            state[_refused_key(key)] = [*state.get(_refused_key(key), ()), f"{name}: {error}"]
            continue
        offer(path)
        if str(path) not in state[key]:
            state[key] = [*state[key], str(path)]


def _keep(name: str, content: bytes) -> Path:
    """Keep an uploaded record file; where it lies.

    Raises:
        UserError: the disk is full, or it is no Parquet file, or one that takes too much memory.
    """
    with _uploads().keep_if_usable({name: content}) as folder:
        path = folder / name
        try:
            rows, said = count_rows(path), info_size(path)
        except UserError as error:
            raise UserError(str(error).replace(str(path), "it", 1)) from error
        way_out = "start `obcn app` yourself and type the file's path"
        if rows > MOST_ROWS:
            raise UserError(f"it has {rows:,} rows, {MOST_ROWS:,} at most are taken; take fewer photos, or {way_out}")
        if said > MOST_SAID:
            raise UserError(f"its card and classes have {said:,} bytes, {MOST_SAID:,} at most are taken; {way_out}")
    return path


@st.cache_resource(show_spinner=False)
def _uploads() -> UploadFolder:
    return UploadFolder("obcn-records-", MOST_UPLOADED)
