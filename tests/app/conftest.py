"""What tests of the app share."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache


@pytest.fixture(scope="session", autouse=True)
def _one_search_for_components() -> Iterator[None]:
    """A server looks for components in every installed package as it starts, and each AppTest starts one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def _pages_compiled_once() -> Iterator[None]:
    """A server compiles a page once, but each AppTest anew."""
    compiled = ScriptCache.get_bytecode

    @cache
    def once(path: str, changed: int):
        return compiled(ScriptCache(), path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptCache, "get_bytecode", lambda _, path: once(path, Path(path).stat().st_mtime_ns))
        yield
