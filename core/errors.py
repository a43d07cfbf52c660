"""The one exception that a user sees as a sentence instead of a traceback."""


class InputError(Exception):
    """Something outside the program is wrong: an option, a file, the hub, the disk.

    The message is one or two sentences: what is wrong, the value found, the value expected, the command that fixes it.
    """


class DeclarationError(ValueError):
    """Something that was added to the suite contradicts itself or what is there already.

    The message is one sentence: what is wrong, where, and what is expected.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which the hub's clients write over many, or its type's name."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
