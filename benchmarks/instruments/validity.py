"""Whether the machine's state makes a measurement trustworthy: clocks, heat, power, other programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.instruments.base import InVisit
from benchmarks.machine.readings import (
    DISQUALIFYING_POLICIES,
    VIOLATION_POLICIES,
    Snapshot,
    other_processes,
    others_load,
    pressure_share,
    steal_share,
    violation_share,
    while_running,
)
from benchmarks.measured_case import MeasuredCase
from benchmarks.visit import DeviceReads
from benchmarks.visiting import TimedVisit
from core.metrics.ranges import NOT_NEGATIVE, SHARE, Range
from core.metrics.records import Record, metric
from fixtures.precisions import emulation_reason

#: Longer than this share of a visit, a violation is a reason not to trust it.
LONGEST_VIOLATION = 0.01
#: The SM clock may be lower in one visit than in another by this much.
CLOCK_CHANGE = 0.05
#: Share of the machine's cores that other programs, or other machines on its host, may use during a visit.
OTHERS_LOAD = 0.25


@dataclass(frozen=True, kw_only=True)
class VisitState(Record):
    """The state of the machine in one visit: clock, temperature and power are read while the rounds run."""

    sm_clock_mhz: int | None
    temperature_c: int | None
    instant_power_w: float | None
    power_limit_w: float | None
    violation_share: Mapping[str, float | None]
    throttle_reasons: Sequence[str] | None
    other_processes: int | None
    other_cpu_load: float
    cpu_steal_share: float | None
    cpu_pressure_share: float | None
    #: Names of what traced or profiled Python code meanwhile.
    tracers: Sequence[str]
    reasons: Sequence[str]
    unknown: Mapping[str, str]
    unreadable: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ValidityRecord(Record):
    """What the visits' states say of this benchmark alone.

    What only several benchmarks show, such as a drift, is judged by `analysis.runs.validity`.
    """

    section: ClassVar[str] = "validity"
    valid: bool | None
    status: str
    reasons: Sequence[str]
    unknown: Mapping[str, str]
    unreadable: Mapping[str, str]
    native: bool = metric("", None, "false where the hardware emulates the precision", place=820)
    throttle: Mapping[str, Any]
    sm_clock_mhz: int | None = metric(
        "MHz", None, "lowest SM clock seen while rounds ran", within=NOT_NEGATIVE, place=440
    )
    temperature_c: int | None = metric(
        "C", None, "highest GPU temperature seen while rounds ran", within=Range(-273.15, None)
    )
    power_limit_w: float | None
    other_processes: int | None
    other_cpu_load: float
    cpu_steal_share: float | None = metric(
        "", None, "share of the cores that the host gave to other machines", within=SHARE, place=920
    )
    cpu_pressure_share: float | None


class Validity(InVisit):
    """Reads the machine's state beside the rounds and judges each visit."""

    name = "validity"
    description = "clock, power, temperature and other programs during the rounds"
    record = ValidityRecord

    def beside(self, case: MeasuredCase, reads: DeviceReads) -> dict[str, Any]:
        """Read clock, temperature and power while the rounds run."""
        return reads.read(lambda: while_running(case.settings.device))

    def visited(self, visit: TimedVisit, reading: Mapping[str, Any]) -> Record:
        """Judge the visit."""
        return visit_state(visit.before, visit.after, reading)

    def measure(self, case: MeasuredCase) -> Record:
        """Judge the case by its visits."""
        states = [visit.of(VisitState) for visit in case.done]
        return ValidityRecord(**validity(states, emulation_reason(case.precision, case.settings.device)))


def visit_state(before: Snapshot, after: Snapshot, running: Mapping[str, Any]) -> VisitState:
    """Return what two snapshots, and what was read between them, say of a visit."""
    violations = {policy: violation_share(before, after, f"{policy}_ns") for policy in VIOLATION_POLICIES}
    others, load, stolen = other_processes(after), others_load(before, after), steal_share(before, after)
    tracers = list(dict.fromkeys((*before.tracers, *after.tracers)))
    return VisitState(
        sm_clock_mhz=running.get("sm_clock_mhz", after.gpu.get("sm_clock_mhz")),
        temperature_c=running.get("temperature_c", after.gpu.get("temperature_c")),
        instant_power_w=running.get("instant_power_w"),
        power_limit_w=after.gpu.get("power_limit_w"),
        violation_share=violations,
        throttle_reasons=after.gpu.get("throttle_reasons"),
        other_processes=others,
        other_cpu_load=load,
        cpu_steal_share=stolen,
        cpu_pressure_share=pressure_share(before, after),
        tracers=tracers,
        reasons=reasons_of(violations, others, load, stolen, tracers),
        unknown={**before.unknown, **after.unknown},
        unreadable={**before.unreadable, **after.unreadable},
    )


def reasons_of(
    violations: Mapping[str, float | None],
    others: int | None,
    load: float,
    stolen: float | None,
    tracers: Sequence[str],
) -> list[str]:
    """Return what speaks against a measurement in the state of the machine."""
    reasons = []
    for policy in DISQUALIFYING_POLICIES:
        share = violations[policy]
        if share is not None and share > LONGEST_VIOLATION:
            reasons.append(
                f"clocks were held down by {policy} for {share:.1%} of the time (expected below "
                f"{LONGEST_VIOLATION:.0%}): cool the GPU or raise its limit"
            )
    if others:
        reasons.append(f"{others} other process(es) compute on this GPU: stop them (nvidia-smi lists them)")
    if load > OTHERS_LOAD:
        reasons.append(f"other programs keep {load:.0%} of the CPU busy: stop them")
    if stolen is not None and stolen > OTHERS_LOAD:
        reasons.append(f"the host gives {stolen:.0%} of the CPU to other machines: use a host that is not shared")
    if tracers:
        reasons.append(f"rounds were timed under {', '.join(tracers)}, which takes time of its own: run without it")
    return reasons


def validity(visits: Sequence[VisitState], emulated: str | None) -> dict[str, Any]:
    """Judge a case by the states of its visits, one at least: the worst of them speaks for the case.

    `valid` is True, False, or None (`status` "unknown") where there is no reason against it but not everything that
    decides could be read. Readings that the platform does not have decide nothing. `emulated` is why the precision is
    not native, or None.
    """
    violations = {policy: largest(visit.violation_share[policy] for visit in visits) for policy in VIOLATION_POLICIES}
    others, load, stolen = (
        largest(getattr(visit, name) for visit in visits)
        for name in ("other_processes", "other_cpu_load", "cpu_steal_share")
    )
    tracers = list(dict.fromkeys(tracer for visit in visits for tracer in visit.tracers))
    clocks = readings_of(visits, "sm_clock_mhz")
    reasons = [emulated] if emulated else []
    reasons += [*reasons_of(violations, others, load, stolen, tracers), *clock_reasons(clocks)]
    unknown = reasons_by_reading(visits, "unknown")
    valid = None if unknown else True
    if reasons:
        valid = False
    return {
        "valid": valid,
        "status": {True: "valid", False: "invalid", None: "unknown"}[valid],
        "reasons": reasons,
        "unknown": unknown,
        "unreadable": reasons_by_reading(visits, "unreadable"),
        "native": emulated is None,
        "throttle": {
            "violation_share": violations,
            "reasons_after": visits[-1].throttle_reasons,
        },
        "sm_clock_mhz": min(clocks, default=None),
        "temperature_c": largest(visit.temperature_c for visit in visits),
        "power_limit_w": visits[-1].power_limit_w,
        "other_processes": others,
        "other_cpu_load": load,
        "cpu_steal_share": stolen,
        "cpu_pressure_share": largest(visit.cpu_pressure_share for visit in visits),
    }


def clock_reasons(clocks_mhz: Sequence[int]) -> list[str]:
    """Return a reason where the SM clock was lower in one visit than in another."""
    if not clocks_mhz or min(clocks_mhz) >= max(clocks_mhz) * (1 - CLOCK_CHANGE):
        return []
    return [
        f"the SM clock was {min(clocks_mhz)} MHz in one visit and {max(clocks_mhz)} MHz in another: cool the GPU or "
        "raise its power limit"
    ]


def readings_of(visits: Iterable[VisitState], name: str) -> list[Any]:
    """Return a reading of each visit that has it."""
    return [value for visit in visits if (value := getattr(visit, name)) is not None]


def largest(values: Iterable[Any]) -> Any:  # noqa: ANN401
    """Return the largest of the values that are readings_of, or None."""
    return max((value for value in values if value is not None), default=None)


def reasons_by_reading(visits: Iterable[VisitState], name: str) -> dict[str, str]:
    """Return the reasons of all visits by their reading."""
    return {reading: reason for visit in visits for reading, reason in getattr(visit, name).items()}
