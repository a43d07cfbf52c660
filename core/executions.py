"""What outputs know of an execution: traits that a saved run carries, so that nobody needs to know its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from core.errors import InputError
from core.guards import LIMITS, is_name

#: The key of `machine_info` with the traits of a run's executions, by their names.
EXECUTIONS_KEY = "executions"
#: The execution that the others are checked against.
EAGER = "eager"


@dataclass(frozen=True, kw_only=True)
class ExecutionTraits:
    """What an execution is, as far as tables, pictures and sentences are concerned."""

    #: What it is, in a sentence for a reader to whom its name is new; empty where a run does not say it.
    words: str
    #: Where several executions were measured, the recommendation looks at the one with the highest rank.
    rank: int
    #: Whether the others are checked against it: exactly one is.
    is_reference: bool = False
    #: Whether a round on a GPU is one launch of what was captured before, which the state of the host hardly moves.
    is_replayed: bool = False
    #: Whether a compiler made its kernels, so that they are others than the reference's.
    is_compiled: bool = False

    @classmethod
    def from_json(cls, entry: object) -> ExecutionTraits:
        """Read those of a saved run. Raises `InputError` where they are not such."""
        known: dict[str, Any] = {}
        if isinstance(entry, Mapping):
            known = {field.name: entry[field.name] for field in fields(cls) if field.name in entry}
        flags = [part for name, part in known.items() if name.startswith("is_")]
        is_sound = is_name(known.get("words")) and type(known.get("rank")) is int and abs(known["rank"]) < LIMITS.rank
        if not is_sound or not all(type(flag) is bool for flag in flags):
            raise InputError(
                f"The run describes an execution as {ascii(entry)[:120]}; expected words, a rank and what it is."
            )
        return cls(**known)


#: Those of runs that carry none.
USUAL_EXECUTIONS = {
    EAGER: ExecutionTraits(
        words="PyTorch as usual: the CPU starts each operation of a forward when its turn comes.",
        rank=0,
        is_reference=True,
    ),
    "graph": ExecutionTraits(
        words="The operations of a forward are recorded once, in a CUDA graph, and replayed with a single start.",
        rank=10,
        is_replayed=True,
    ),
    "compiled": ExecutionTraits(
        words="The model went through torch.compile, which merges operations; on a GPU it then runs as a graph.",
        rank=20,
        is_replayed=True,
        is_compiled=True,
    ),
}
#: What an execution has that a run does not describe: it is recommended last, and takes nothing from other hosts.
UNKNOWN = ExecutionTraits(words="", rank=-1)


class Executions(Mapping[str, ExecutionTraits]):
    """The traits of a run's executions by their names; a name that the run does not describe has those of `UNKNOWN`."""

    def __init__(self, traits: Mapping[str, ExecutionTraits]) -> None:
        self._traits = dict(traits)

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Executions:
        """Return those that a run's environment describes, the usual ones where it describes none.

        Raises `InputError`.
        """
        described = environment.get(EXECUTIONS_KEY)
        if described is None:
            return USUAL
        if not isinstance(described, Mapping) or len(described) > LIMITS.metrics or not all(map(is_name, described)):
            raise InputError(f"The run's executions are {ascii(described)[:80]}; expected a mapping by their names.")
        return cls({str(name): ExecutionTraits.from_json(entry) for name, entry in described.items()})

    def __getitem__(self, name: str) -> ExecutionTraits:
        return self._traits.get(name, UNKNOWN)

    def __iter__(self) -> Iterator[str]:
        return iter(self._traits)

    def __len__(self) -> int:
        return len(self._traits)

    def by_rank(self, names: Iterable[str]) -> list[str]:
        """Return names of executions, each once, the highest rank first."""
        return sorted(dict.fromkeys(names), key=lambda name: -self[name].rank)

    @property
    def reference(self) -> str:
        """The execution that the others are checked against."""
        return next((name for name in self if self[name].is_reference), EAGER)

    @property
    def replayed_reference(self) -> str | None:
        """The execution that replays what the reference calls, kernel by kernel; None where there is none."""
        return next((name for name in self if self[name].is_replayed and not self[name].is_compiled), None)

    def as_json(self) -> dict[str, Any]:
        """Return what a saved run holds of them."""
        return {name: asdict(traits) for name, traits in self.items()}


#: The executions of a run that describes none.
USUAL = Executions(USUAL_EXECUTIONS)
