"""English that is on every machine: prose alone, a paragraph a row."""

from __future__ import annotations

from data_prep import python_topics
from data_prep.python_topics import paragraphs

TOPIC = """The "if" statement
******************

The "if" statement is used for
conditional execution:

   if_stmt ::= "if" assignment_expression

It selects exactly one of the suites.

   >>> If this ends with a point.

and this begins with a small letter.
"""


def test_headings_grammar_and_code_are_left_out():
    assert paragraphs(TOPIC) == [
        'The "if" statement is used for conditional execution:',
        "It selects exactly one of the suites.",
    ]


def test_there_are_rows_enough_and_the_digest_is_theirs():
    text = python_topics.text()
    rows = text.rows["text"]
    assert text.name == "python-topics"
    assert len(rows) == len(set(rows)) > 500
    assert not any("\n" in row for row in rows)
    assert text.revision == python_topics.text().revision


def test_a_python_without_its_topics_has_none(monkeypatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(python_topics.importlib.util, "find_spec", missing)
    assert python_topics.text() is None
