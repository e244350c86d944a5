"""Mistakes that a user can mend, and other ends of a command that need no traceback."""


class UserError(Exception):
    """A mistake in what the user gave, with the reason and the way out in one line; shown without a traceback."""

    exit_status = 2

    def __str__(self) -> str:
        # File names may hold half a character, which no terminal and no page can show.
        return super().__str__().encode(errors="backslashreplace").decode()


class RunStoppedError(UserError):
    """A run that was told to stop, with what it kept and how to go on in one line."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status
