"""What of the package works where plotly is not installed."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import obcn.tables

WITHOUT = "import sys; sys.modules['plotly'] = None; import importlib.util as u; f = u.find_spec; "
WITHOUT += "u.find_spec = lambda name, *rest: None if name == 'plotly' else f(name, *rest); "


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_package_and_its_tables_need_no_plotly() -> None:
    names = [f"obcn.tables.{module.name}" for module in pkgutil.iter_modules(obcn.tables.__path__)]
    assert len(names) > 5
    assert run(f"import obcn, {', '.join(names)}").returncode == 0


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
    imports = f"import sys; sys.modules['streamlit'] = None; import {', '.join(names)}"
    done = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
