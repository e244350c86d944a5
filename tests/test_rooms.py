"""Which packages may import which: obcn stands alone, floor upon floor, app and analysis beside each other on it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "obcn": {"app", "analysis", "streamlit"},
    "analysis": {"app", "streamlit"},
    "app": {"analysis"},
    "obcn/offsets": {"obcn.models", "obcn.data", "obcn.records", "obcn.engine", "obcn.tables", "obcn.figures"},
    "obcn/models": {"obcn.records", "obcn.engine", "obcn.tables", "obcn.figures"},
    "obcn/data": {"obcn.records", "obcn.engine", "obcn.tables", "obcn.figures"},
    "obcn/records": {"obcn.engine", "obcn.tables", "obcn.figures"},
    "obcn/engine": {"obcn.tables", "obcn.figures"},
    "obcn/tables": {"plotly", "obcn.figures"},
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_room_imports_one_above_or_beside_it(room) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        for name in imported(file):
            assert not any(name == no or name.startswith(f"{no}.") for no in FORBIDDEN[room]), f"{file}: {name}"
