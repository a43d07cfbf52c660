"""What was measured: the one value by which benchmarks are named, joined and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from typing import Any

from core.errors import InputError
from core.guards import LIMITS, is_name
from core.safe_text import REPLACEMENT

#: The precision that the others are compared with.
BASELINE = "fp32"
EXPECTED = (
    'expected names without a space for "precision" and "execution", and for "batch_size" and "sequence_length" whole '
    f"numbers from 1 to {LIMITS.count:,}"
)


@dataclass(frozen=True)
class Case:
    """A precision and an execution of a task's workload, at a batch size and a sequence length.

    Two benchmarks are of one case where everything but the machine and the software is the same.
    """

    precision: str
    execution: str
    task: str = "language_modeling"
    workload: str = "forward"
    batch_size: int = 1
    sequence_length: int = 128
    #: What a later edition of the suite tells cases apart by: names and values.
    others: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """`[task-]precision[-workload]-execution[-bBATCHxLENGTH]`, such as fp16-graph or fp16-graph-b8x64.

        Task, workload and shape are named where they are not language_modeling, forward and 1 x 128: always these, so
        that an id means the same in every saved run.
        """
        return _joined(self, self.precision)

    @property
    def setting(self) -> str:
        """The id without the precision: cases of one setting differ in their precision alone."""
        return _joined(self, "")

    @property
    def alternatives(self) -> Case:
        """What all cases share between which a user chooses: everything but precision and execution."""
        return replace(self, precision="", execution="")

    @property
    def shape(self) -> str:
        """Batch size and sequence length as text."""
        return f"{self.batch_size} x {self.sequence_length}"

    def partner(self, **changes: Any) -> Case:  # noqa: ANN401
        """Return the case that is the same but for some fields: `case.partner(precision=BASELINE)`."""
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that a saved run holds as `extra_info["case"]`."""
        known = asdict(self)
        del known["others"]
        return known | dict(self.others)

    @classmethod
    def from_json(cls, value: object) -> Case:
        """Read what `as_json` made; fields that this edition does not know are kept and named in the id.

        Raises `InputError` where `value` is not such a mapping.
        """
        if not isinstance(value, Mapping):
            raise InputError(f"A saved benchmark has the case {ascii(value)[:80]}; {EXPECTED}.")
        names = {field.name for field in fields(cls)} - {"others"}
        known = {name: value[name] for name in names if name in value}
        for name, part in known.items():
            is_count = name in ("batch_size", "sequence_length")
            if not (type(part) is int and 0 < part <= LIMITS.count if is_count else is_word(part)):
                raise InputError(f"A saved benchmark has the case {ascii(dict(value))[:200]}; {EXPECTED}.")
        if not {"precision", "execution"} <= set(known):
            raise InputError(f"A saved benchmark has the case {ascii(dict(value))[:200]}; {EXPECTED}.")
        others = sorted((str(name), str(part)) for name, part in value.items() if name not in names)
        if not all(map(is_word, chain.from_iterable(others))):
            raise InputError(
                f"A saved benchmark has the case {ascii(dict(value))[:200]}; expected names without a space."
            )
        return cls(**known, others=tuple(others))


def is_word(value: object) -> bool:
    """Tell whether a value is a name without a space: with spaces it could be a sentence of its own in every output.

    What had to be replaced in a saved run's text was none either.
    """
    return is_name(value) and not {" ", REPLACEMENT} & set(str(value))


def _joined(case: Case, precision: str) -> str:
    usual = Case(case.precision, case.execution)
    parts = [
        "" if case.task == usual.task else case.task,
        precision,
        "" if case.workload == usual.workload else case.workload,
        case.execution,
        "" if case.shape == usual.shape else f"b{case.batch_size}x{case.sequence_length}",
        *(f"{name}={value}" for name, value in case.others),
    ]
    return "-".join(part for part in parts if part)


def is_own(benchmark: object) -> bool:
    """Tell whether a benchmark of a saved run was made by this suite; others may have a case of their own kind."""
    extra_info = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    case = extra_info.get("case") if isinstance(extra_info, dict) else None
    return isinstance(case, dict) and {"precision", "execution"} <= case.keys()


def case_of(benchmark: Mapping[str, Any]) -> Case:
    """Return the case of one of this suite's benchmarks. Raises `InputError` where it has none that can be read."""
    return Case.from_json(benchmark["extra_info"]["case"])
