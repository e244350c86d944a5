"""The app's pages and nothing else. Run it from the repository's root: ``streamlit run app/main.py``."""

import sys
from pathlib import Path

import streamlit as st

# Streamlit puts this folder on the path (so no module in it may be called like one of Python's own), not the root.
HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from app import startup  # noqa: E402
from app.components.theme import run_again_with_the_theme  # noqa: E402
from app.style import PAGE_CSS  # noqa: E402
from obcn.errors import UserError  # noqa: E402

st.set_page_config(page_title="OBCN Lab", page_icon=str(HERE / "icon.svg"), layout="wide")
st.logo(str(HERE / "logo.svg"), size="large")
st.html(PAGE_CSS)
# No folder is called pages: Streamlit would run its files by themselves, without this one, where the first visit after
# a start is to a page's own address.
page = st.navigation(
    [
        st.Page("compare/compare.py", title="Compare", icon=":material/compare:", default=True),
        st.Page("explore/explore.py", title="Explore", icon=":material/photo_library:"),
        st.Page("errors/errors.py", title="Errors", icon=":material/bar_chart:"),
        st.Page("loss_lab/loss_lab.py", title="Loss lab", icon=":material/show_chart:"),
        st.Page("results/results.py", title="Results", icon=":material/table_chart:"),
        st.Page("models/models.py", title="Models", icon=":material/deployed_code:"),
    ],
    position="top",
)
try:
    if not startup.is_ready():
        # Nothing above needs PyTorch, so the words appear at once, to all who come before it is there.
        with st.spinner("Starting up: loading PyTorch and the models…"):
            startup.wait_until_ready()
except UserError as error:
    st.error(str(error), icon=":material/error:")
    st.stop()
run_again_with_the_theme()
page.run()
