"""Errors that are the user's to mend: one line that says what is wrong and what to do."""


class UserError(Exception):
    """Bad input. `launch/` scripts print the message alone and exit non-zero (`--debug` shows where it came from)."""
