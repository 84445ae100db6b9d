"""Errors that the caller can mend: one line that says what is wrong and what to do."""


class UserError(Exception):
    """Bad input, told in terms of the arguments of the function that was called.

    The command line prints the message alone and exits with 2 (`--debug` adds where the error came from).

    Attributes:
        remedy: names the sentence of `cli.REMEDIES` that the command line adds: the flag, field or script that mends
            it. None: the message says everything.
    """

    def __init__(self, message: str, *, remedy: str | None = None):
        super().__init__(message)
        self.remedy = remedy
