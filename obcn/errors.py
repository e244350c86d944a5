"""Mistakes that a user can mend."""


class UserError(Exception):
    """A mistake in what the user gave, with the reason and the way out in one line; shown without a traceback."""
