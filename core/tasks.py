"""How outputs speak of a task: what a run says of its tasks, which is all that the analysis knows of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from core.errors import DeclarationError, InputError
from core.guards import LIMITS, finite_number, is_name
from core.metrics.columns import NAME

#: The task that is prepared and measured where none is named.
DEFAULT_TASK = "language_modeling"
#: The key of `machine_info` with a run's tasks.
TASKS_KEY = "tasks"


#: How a change may be formatted.
CHANGE_FORMS = ("+.2%", "+.2f")


@dataclass(frozen=True)
class PublishedFigure:
    """A figure that others have published of FP32, by a protocol that the suite has too."""

    name: str
    value: float
    source: str
    #: Where the figure is in a benchmark's `extra_info`, and what else must be there for the same protocol.
    path: str
    conditions: Mapping[str, int]
    #: What tells the published weights, and where that is in `extra_info`.
    identity_path: str
    identity: str
    #: How far two ways of computing it may be apart.
    tolerance_rel: float

    @classmethod
    def from_json(cls, entry: object) -> PublishedFigure:
        """Read one of a saved run. Raises `InputError` where it is not such."""
        known = entry if isinstance(entry, Mapping) else {}
        texts = all(is_name(known.get(name)) for name in ("name", "source", "path", "identity_path", "identity"))
        numbers = all(finite_number(known.get(name)) for name in ("value", "tolerance_rel"))
        if not texts or not numbers or not isinstance(known.get("conditions"), Mapping):
            raise InputError(f"The run has the published figure {ascii(entry)[:120]}; expected name, value and source.")
        return cls(**{field.name: known[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class TaskWords:
    """The columns of a task's quality, and the words for them."""

    #: The model, as in titles; how the names of the files with its figures begin.
    model: str
    files: str
    #: The column by which quality is told, and one of which less is better.
    headline: str
    cost: str
    #: The column with the difference from FP32, how it is formatted, and what it is a difference of.
    change: str
    change_form: str
    change_of: str
    #: Within which differences are none.
    margin: str
    #: What the model gives one of for each position or sequence.
    answer: str
    #: What others have published of it.
    published: tuple[PublishedFigure, ...] = ()

    @classmethod
    def from_json(cls, entry: object) -> TaskWords:
        """Read a saved run's words of one task. Raises `InputError` where they are not such."""
        names = [field.name for field in fields(cls) if field.name != "published"]
        if not isinstance(entry, Mapping) or not all(is_name(entry.get(name)) for name in names):
            raise InputError(
                f"The run describes a task as {ascii(entry)[:80]}; expected {', '.join(names)}, each a name."
            )
        columns = (entry["files"], entry["headline"], entry["cost"], entry["change"])
        if not all(NAME.fullmatch(column) for column in columns) or entry["change_form"] not in CHANGE_FORMS:
            raise InputError(f"The run describes a task as {ascii(dict(entry))[:200]}; expected names of columns.")
        published = entry.get("published", ())
        if not isinstance(published, (list, tuple)) or len(published) > LIMITS.metrics:
            raise InputError(f"The run has the published figures {ascii(published)[:80]}; expected a list.")
        return cls(**{name: entry[name] for name in names}, published=tuple(map(PublishedFigure.from_json, published)))

    def __post_init__(self) -> None:
        if self.change_form not in CHANGE_FORMS:
            raise DeclarationError(
                f"the words of {self.model} have the format {self.change_form!r} for a change; expected "
                f"{' or '.join(CHANGE_FORMS)}"
            )

    def require_columns(self, numbers: Collection[str]) -> None:
        """Raise `DeclarationError` where a column that tells the quality is none of the metrics with numbers."""
        unknown = [column for column in (self.headline, self.cost, self.change) if column not in numbers]
        if unknown:
            raise DeclarationError(
                f"the words of {self.model} name {', '.join(dict.fromkeys(unknown))}; expected columns of metrics with "
                "numbers, which the task's record declares"
            )

    def change_text(self, value: float) -> str:
        """Return a difference from FP32 as text."""
        return f"{value:{self.change_form}} {self.change_of}"


#: The words of runs that carry none, all of which measured `DEFAULT_TASK`.
UNDESCRIBED_TASK = TaskWords(
    model="GPT-2",
    files="gpt2",
    headline="perplexity",
    cost="perplexity",
    change="delta_perplexity_rel",
    change_form="+.2%",
    change_of="perplexity",
    margin="within 0.1%",
    answer="token",
)


def tasks_of(environment: Mapping[str, Any]) -> dict[str, TaskWords]:
    """Return the tasks that a run's environment describes, by name. Raises `InputError`."""
    described = environment.get(TASKS_KEY)
    if described is None:
        return {DEFAULT_TASK: UNDESCRIBED_TASK}
    if not isinstance(described, Mapping) or not described:
        raise InputError(f"The run's tasks are {ascii(described)[:80]}; expected a mapping.")
    return {str(name): TaskWords.from_json(entry) for name, entry in described.items()}


def as_json(tasks: Mapping[str, TaskWords]) -> dict[str, Any]:
    """Return what a run says of its tasks."""
    return {name: asdict(words) for name, words in tasks.items()}


def title(models: Iterable[str]) -> str:
    """Return the title of everything about a run of some models."""
    return f"{' and '.join(dict.fromkeys(models))} precision benchmark"
