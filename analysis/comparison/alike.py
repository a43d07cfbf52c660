"""Which saved runs are of one thing: repeats of a measurement, or points of one line."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from analysis.comparison.comparability import CONDITIONS, CONDITIONS_IF_KNOWN, TEXT, condition_text, distinct
from analysis.runs.saved import Run
from analysis.uncertainty.conditions import machine_of
from core.case import case_of
from core.metrics import lookup

#: What repeats of one measurement have in common, and its path in a benchmark's `extra_info`.
OF_REPEATS = CONDITIONS | CONDITIONS_IF_KNOWN
#: What stays the same where the effect of versions, drivers and commits is looked for.
OF_ONE_LINE = {
    name: OF_REPEATS[name] for name in (TEXT, "the digest of the weights", "the CPU", "the number of threads")
}


class Alike:
    """Runs of one machine that differ in none of some conditions, as far as they record them."""

    def __init__(self, run: Run, conditions: dict[str, str]) -> None:
        self.machine, self.runs = machine_of(run), [run]
        #: The values that the runs record, by task and condition.
        self.values: dict[tuple[str, str], set[str]] = {}
        for item in run.benchmarks:
            for name, path in conditions.items():
                value = lookup(item["extra_info"], path)
                if value is not None:
                    self.values.setdefault((case_of(item).task, name), set()).add(condition_text(value))

    @property
    def models(self) -> str:
        """The models of the runs, by name."""
        return ", ".join(distinct(model for run in self.runs for model in models_of(run)))

    def differing(self, other: Alike) -> set[str]:
        """Return the conditions in which two of these have no value in common, though both record some."""
        shared = self.values.keys() & other.values.keys()
        return {name for task, name in shared if self.values[task, name].isdisjoint(other.values[task, name])}

    def add(self, other: Alike) -> None:
        """Add the runs of another one."""
        self.runs += other.runs
        for key, values in other.values.items():
            self.values.setdefault(key, set()).update(values)


def alike(runs: Sequence[Run], conditions: dict[str, str]) -> list[Alike]:
    """Return runs in groups that do not differ, in the order of the first of each."""
    groups: list[Alike] = []
    for single in (Alike(run, conditions) for run in runs):
        fitting = (group for group in groups if group.machine == single.machine and not group.differing(single))
        group = next(fitting, None)
        if group is None:
            groups.append(single)
        else:
            group.add(single)
    return groups


def words(groups: Sequence[Alike]) -> list[str]:
    """Return what tells each of several groups from the others: model, machine and the conditions that differ."""
    differing = {name for one in groups for other in groups for name in one.differing(other)}
    return [", ".join([f"{group.models} on {group.machine}", *values_in_words(group, differing)]) for group in groups]


def values_in_words(group: Alike, names: Collection[str]) -> list[str]:
    """Return the values of some conditions of a group, of all of its tasks, but for what its machine's name says."""
    found: dict[str, list[str]] = {}
    for (_, name), values in group.values.items():
        if name in names and not all(value in group.machine for value in values):
            found.setdefault(name, []).extend(sorted(values))
    return [f"{name} {' and '.join(distinct(values))}" for name, values in found.items()]


def models_of(run: Run) -> list[str]:
    """Return the names of a run's models."""
    models = (lookup(item["extra_info"], "provenance.model") for item in run.benchmarks)
    return distinct(model if isinstance(model, str) else "an unknown model" for model in models)
