"""The Loss lab page."""
