"""Pure functions: explanation in, plotly figure out. No Streamlit here, so that scripts can draw the same figures."""
