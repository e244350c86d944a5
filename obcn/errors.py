"""Mistakes that a user can mend."""


class UserError(Exception):
    """A mistake in what the user gave, with the reason and the way out in one line; shown without a traceback."""

    def __str__(self) -> str:
        # File names may hold half a character, which no terminal and no page can show.
        return super().__str__().encode(errors="backslashreplace").decode()
