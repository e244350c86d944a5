"""The page's own widgets: what Streamlit has no element for."""

from pathlib import Path

_HERE = Path(__file__).parent


def read_files(*names: str) -> str:
    """Files of this folder in a row: a component has one script and one style sheet, whatever they are made of."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)
