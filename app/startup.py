"""What takes seconds and is done once per server: importing PyTorch and all that stands on it, and loading models.

Streamlit runs every visitor in a thread of their own. Threads that import PyTorch and torchvision at once find modules
half made, and nothing mends those before a restart. So one thread imports, which belongs to no visitor and which
nobody's leaving ends, and all visitors wait for it. Nothing here may import what is heavy before that thread does.
"""

import ast
import importlib
import pkgutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import app
from obcn.errors import UserError

# These run instead of being imported.
_APP = Path(__file__).parent
_MAIN = "app.main"
# A page is called like its folder: Streamlit names addresses after files.
_PAGES = sorted(path for path in _APP.glob("*/*.py") if path.stem == path.parent.name)
# What functions import when they are called: ours by calibration, PyTorch's by the slopes of box codes.
_IMPORTED_LATE = ("obcn.tables.ideal", "torch._decomp.decompositions_for_jvp")

_lock = threading.Lock()
_loading: Future[None] | None = None


def is_ready() -> bool:
    """Whether :func:`wait_until_ready` has nothing to wait for."""
    return _loading is not None and _loading.done() and _loading.exception() is None


def wait_until_ready() -> None:
    """Load what every page needs, or wait for whoever is at it.

    Raises:
        UserError: a library or one of the app's own modules cannot be imported. The next call tries again.
    """
    try:
        _begun().result()
    except Exception as error:
        raise UserError(
            f"the app could not start ({type(error).__name__}: {error}); reload this page to try again, and if that "
            "does not help, install the app anew and restart it"
        ) from error


def _begun() -> Future[None]:
    global _loading
    with _lock:
        failed = _loading is not None and _loading.done() and _loading.exception() is not None
        if _loading is None or failed:
            _loading = Future()
            # A daemon: a server that is stopped meanwhile need not wait for it.
            threading.Thread(target=_fulfil, args=(_loading,), name="startup", daemon=True).start()
        return _loading


def _fulfil(loading: Future[None]) -> None:
    try:
        _load()
    except BaseException as error:  # whatever it is, those who wait must hear of it
        loading.set_exception(error)
    else:
        loading.set_result(None)


def _load() -> None:
    for name in (*_modules_of_app(), *_modules_of_pages()):
        importlib.import_module(name)
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    importlib.import_module("app.compare.scoring").load_first_models()
    importlib.import_module("app.records.choice").offer_what_lies_here()


def _modules_of_app() -> Iterator[str]:
    modules = pkgutil.walk_packages(app.__path__, f"{app.__name__}.")
    pages = {f"{app.__name__}.{path.parent.name}.{path.stem}" for path in _PAGES}
    return (module.name for module in modules if module.name not in {_MAIN, *pages})


def _modules_of_pages() -> Iterator[str]:
    """What the pages import, of the app or from elsewhere."""
    for path in _PAGES:
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.Import(names):
                    yield from (each.name for each in names)
                case ast.ImportFrom(module=str(module)):
                    yield module
