"""Sentences on cases, and one sentence in place of many that say the same of several."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.case import Case

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
#: From so many on, sentences that say the same become one.
FEWEST = 3


def counted(number: object, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one; what is not known is unknown."""
    known = "unknown" if number is None else number
    return f"{known} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Sentence:
    """What is said of a case. `text` has a place `{key}` for each of `cases` and `figures`.

    `cases`: of one shape, by key; `name` is whom the sentence is about. `figures`: a value and how it is written.
    """

    text: str
    cases: Mapping[str, Case]
    figures: Mapping[str, tuple[float, str]] = field(default_factory=dict)

    @property
    def case(self) -> Case:
        """The case that the sentence is about."""
        return self.cases["name"]

    @property
    def group_key(self) -> tuple[str, ...]:
        """The same for sentences that differ in shape and figures alone, which are merged into one."""
        return self.text, *(any_shape(case) for case in self.cases.values())

    def __str__(self) -> str:
        figures = {key: form.format(value) for key, (value, form) in self.figures.items()}
        return filled(self.text, {key: case.id for key, case in self.cases.items()} | figures)


def merged(sentences: Iterable[Sentence], measured: Iterable[Case]) -> list[str]:
    """Return the sentences as text, in their order; of three or more that differ in shape and figures alone, one.

    That one gives the lowest and the highest of each figure, and says of how many of the shapes of the cases that were
    `measured` it speaks.
    """
    every = list(measured)
    groups: dict[tuple[str, ...], list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.group_key, []).append(sentence)
    texts = []
    for group in groups.values():
        if len(group) < FEWEST:
            texts += [str(sentence) for sentence in group]
            continue
        shapes = {case.shape for case in every if task_and_workload(case) == task_and_workload(group[0].case)}
        place = shapes_text([one.case.shape for one in group], len(shapes))
        text = text_with_ranges(group, {key: any_shape(case) for key, case in group[0].cases.items()})
        is_sentence = group[0].text[:1].isupper() and group[0].text[1:2].islower()  # and no name, as FP16
        texts.append(f"{place}, {text[:1].lower() + text[1:] if is_sentence else text}")
    return texts


def listed(sentences: Iterable[Sentence]) -> list[str]:
    """Return the sentences as text; of three or more that differ in case and figures alone, one with all names."""
    groups: dict[str, list[Sentence]] = {}
    for sentence in sentences:
        groups.setdefault(sentence.text, []).append(sentence)
    texts = []
    for group in groups.values():
        if len(group) < FEWEST:
            texts += [str(sentence) for sentence in group]
        else:
            texts.append(text_with_ranges(group, {"name": ", ".join(sentence.case.id for sentence in group)}))
    return texts


def text_with_ranges(group: list[Sentence], names: Mapping[str, str]) -> str:
    """Return one sentence for several of one text, with ranges for their figures."""
    ranges = {}
    for key, (_, form) in group[0].figures.items():
        every = [sentence.figures[key][0] for sentence in group]
        known = [value for value in every if not math.isnan(value)] or every
        ranges[key] = " to ".join(dict.fromkeys(form.format(end) for end in (min(known), max(known))))
    return filled(group[0].text, {**names, **ranges})


def names_by_text(texts: Mapping[str, str]) -> list[tuple[list[str], str]]:
    """Return each text with the names that have it; texts that differ in numbers alone become one, from three on."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(NUMBER.sub("0", text), []).append(name)
    found = []
    for names in groups.values():
        if len(names) >= FEWEST:
            found.append((names, with_ranges([texts[name] for name in names])))
        else:
            by_text: dict[str, list[str]] = {}
            for name in names:
                by_text.setdefault(texts[name], []).append(name)
            found += [(of_text, text) for text, of_text in by_text.items()]
    return found


def with_ranges(texts: list[str]) -> str:
    """Return one text for several that differ in numbers alone, with the lowest and the highest of each number."""
    numbers = zip(*(NUMBER.findall(text) for text in texts), strict=True)
    ranges = iter(" to ".join(dict.fromkeys((min(every, key=float), max(every, key=float)))) for every in numbers)
    return NUMBER.sub(lambda _: next(ranges), texts[0])


def shapes_text(shapes: list[str], measured: int) -> str:
    """Return of which shapes a sentence speaks, of how many that were measured."""
    return (
        f"In all {measured} shapes"
        if len(shapes) == measured
        else f"In {len(shapes)} of {measured} shapes ({', '.join(shapes)})"
    )


def task_and_workload(case: Case) -> tuple[str, str]:
    """Return what cases share whose shapes are counted together."""
    return case.task, case.workload


def any_shape(case: Case) -> str:
    """Return the id of a case without its shape."""
    usual = Case(case.precision, case.execution)
    return case.partner(batch_size=usual.batch_size, sequence_length=usual.sequence_length).id


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its places filled, once: what looks like a place in a name of a saved run stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)
