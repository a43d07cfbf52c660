"""The one exception that a user sees as a sentence instead of a traceback."""

from core.safe_text import one_line


class InputError(Exception):
    """Something outside the program is wrong: an option, a file, the hub, the disk.

    The message is one or two sentences: what is wrong, the value found, the value expected, the command that fixes it.
    They are one line, safe for a terminal: a name in them may be that of a file, a tensor or a member of an archive.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class DeclarationError(ValueError):
    """Something that was added to the suite contradicts itself or what is there already.

    The message is one sentence: what is wrong, where, and what is expected.
    """


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, which the hub's clients write over many, or its type's name."""
    lines = (one_line(line).strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
