"""The page's own widgets: what Streamlit has no element for."""
