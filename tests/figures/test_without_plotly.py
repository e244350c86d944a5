"""What of the package works where plotly is not installed."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import obcn.tables
from tests.engine.processes import Forked

WITHOUT = "import sys; sys.modules['plotly'] = None; import importlib.util as u; f = u.find_spec; "
WITHOUT += "u.find_spec = lambda name, *rest: None if name == 'plotly' else f(name, *rest); "


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False)


def assert_imports(without: str, names: list[str]) -> None:
    """Modules of ours load where one of others is missing, and what stands in memory before them has not loaded it."""
    absent = f"assert {without!r} not in sys.modules; sys.modules[{without!r}] = None"
    process = Forked("-c", f"import sys; {absent}; import obcn, {', '.join(names)}")
    errors = process.finish(timeout=300)
    assert process.returncode == 0, errors


@pytest.mark.slow
def test_the_package_and_its_tables_need_no_plotly() -> None:
    names = [f"obcn.tables.{module.name}" for module in pkgutil.iter_modules(obcn.tables.__path__)]
    assert len(names) > 5
    assert_imports("plotly", names)


def test_figures_ask_for_it_by_name() -> None:
    done = run("import obcn.figures.lines")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("pip install 'obcn[figures]'")


@pytest.mark.slow
def test_figures_and_tables_need_no_streamlit() -> None:
    names = [
        f"{package.__name__}.{module.name}"
        for package in (importlib.import_module("obcn.figures"), obcn.tables)
        for module in pkgutil.iter_modules(package.__path__)
    ]
    assert len(names) > 15
    assert_imports("streamlit", names)
