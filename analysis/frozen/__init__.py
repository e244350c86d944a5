"""Heads trained and judged on a trunk that stands still, with its features kept on disk."""
