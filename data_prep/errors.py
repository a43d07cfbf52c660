"""The one exception that is shown to a user as a sentence instead of a traceback."""


class InputError(Exception):
    """Something outside the program is wrong: an option, a file, the hub, the disk.

    The message is one or two sentences: what is wrong, the value found, the value expected, the command that mends it.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which the hub's clients write over many."""
    return (str(error).splitlines() or [type(error).__name__])[0]
