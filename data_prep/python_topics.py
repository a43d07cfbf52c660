"""Natural English on every machine: the help topics of Python's standard library, for models without a hub."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import platform
import re

import datasets

from data_prep.datasets.spec import Text

MODULE = "pydoc_data.topics"
#: What tables call it: the text is another one in every version of Python, which the digest tells.
NAME = "python-topics"


def text() -> Text | None:
    """Return the topics' paragraphs of prose, a row each, in the order of the topics' names; None without the module.

    Some distributions of Python leave it out.
    """
    try:
        if importlib.util.find_spec(MODULE) is None:
            return None
    except ModuleNotFoundError:  # the package around it is left out too
        return None
    topics = importlib.import_module(MODULE).topics
    rows = list(dict.fromkeys(row for name in sorted(topics) for row in paragraphs(topics[name])))
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return Text(
        datasets.Dataset.from_dict({"text": rows}),
        NAME,
        f"{MODULE} of Python {platform.python_version()}",
        f"sha256:{digest}",
        (f"the text is Python {platform.python_version()}'s documentation, not WikiText-2: no hub could be reached",),
    )


def paragraphs(topic: str) -> list[str]:
    """Return the paragraphs of a topic that are sentences, each on one line: not headings, code and grammar."""
    joined = (" ".join(part.split()) for part in re.split(r"\n\s*\n", topic))
    return [part for part in joined if part[:1].isupper() and part.endswith((".", ":"))]
