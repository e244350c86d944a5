"""The Results page and its parts."""
