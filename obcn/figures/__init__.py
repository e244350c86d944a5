"""Frames and explanations as plotly figures; no Streamlit."""

from importlib.util import find_spec

if find_spec("plotly") is None:
    raise ImportError("obcn.figures draws with plotly, which is not installed: pip install 'obcn[figures]'")
