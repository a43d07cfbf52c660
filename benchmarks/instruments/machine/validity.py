"""Whether the machine's state makes a measurement trustworthy: clocks, heat, power, other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.instruments.base import InVisit, Record, metric
from benchmarks.instruments.machine.readings import (
    DISQUALIFYING_POLICIES,
    POLICIES,
    Snapshot,
    other_processes,
    others_load,
    snapshot,
    violation_share,
)
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
from fixtures.precisions import emulation_reason

#: Longer than this share of the measurement, a violation is a reason not to trust it.
LONGEST_VIOLATION = 0.01
#: The SM clock may fall by this much between the beginning and the end.
CLOCK_CHANGE = 0.05
#: Share of the machine's cores that other programs may use during a measurement.
OTHERS_LOAD = 0.25


@dataclass(frozen=True, kw_only=True)
class ValidityRecord(Record):
    """The state of the machine before and after the rounds, and the judgement of this benchmark alone.

    What only several benchmarks show, such as a drift, is judged by `analysis.validity`.
    """

    section: ClassVar[str] = "validity"
    valid: bool | None
    status: str
    reasons: Sequence[str]
    unknown: Mapping[str, str]
    native: bool = metric("", None, "false where the hardware emulates the precision")
    throttle: Mapping[str, Any]
    sm_clock_mhz: int | None = metric("MHz", None, "SM clock after the rounds")
    sm_clock_before_mhz: int | None
    temperature_c: int | None = metric("C", None, "GPU temperature after the rounds")
    temperature_before_c: int | None
    power_limit_w: float | None
    other_processes: int | None
    other_cpu_load: float


class Validity(InVisit):
    """Reads the machine's state directly before the warm-up and directly after the rounds, and judges."""

    record = ValidityRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self._before: Snapshot | None = None

    def prepared(self, run: BenchmarkRun) -> None:
        """Read the machine's state."""
        self._before = snapshot(run.settings.device)

    def measure(self, run: BenchmarkRun) -> Record:
        """Read it again and judge."""
        device = run.settings.device
        after = snapshot(device)
        return ValidityRecord(**validity(self._before or after, after, emulation_reason(run.precision, device)))


def validity(before: Snapshot, after: Snapshot, emulated: str | None) -> dict[str, Any]:
    """Judge a measurement by the machine's state before and after it.

    `valid` is True, False, or None (`status` "unknown") where there is no reason against it but not everything could be
    read. `emulated` is why the precision is not native, or None.
    """
    elapsed_s = after.time_s - before.time_s
    violations = {policy: violation_share(before, after, f"{policy}_ns", elapsed_s) for policy in POLICIES}
    others = other_processes(after)
    load = others_load(before, after, elapsed_s)
    reasons = [emulated] if emulated else []
    for policy in DISQUALIFYING_POLICIES:
        share = violations[policy]
        if share is not None and share > LONGEST_VIOLATION:
            reasons.append(
                f"clocks were held down by {policy} for {share:.1%} of the time (expected below "
                f"{LONGEST_VIOLATION:.0%}): cool the GPU or raise its limit"
            )
    reasons += clock_reasons(before.gpu.get("sm_clock_mhz"), after.gpu.get("sm_clock_mhz"))
    if others:
        reasons.append(f"{others} other process(es) compute on this GPU: stop them (nvidia-smi lists them)")
    if load > OTHERS_LOAD:
        reasons.append(f"other programs keep {load:.0%} of the CPU busy: stop them")
    unknown = {**before.unknown, **after.unknown}
    valid = None if unknown else True
    if reasons:
        valid = False
    return {
        "valid": valid,
        "status": {True: "valid", False: "invalid", None: "unknown"}[valid],
        "reasons": reasons,
        "unknown": unknown,
        "native": emulated is None,
        "throttle": {"violation_share": violations, "reasons_after": after.gpu.get("throttle_reasons")},
        "sm_clock_mhz": after.gpu.get("sm_clock_mhz"),
        "sm_clock_before_mhz": before.gpu.get("sm_clock_mhz"),
        "temperature_c": after.gpu.get("temperature_c"),
        "temperature_before_c": before.gpu.get("temperature_c"),
        "power_limit_w": after.gpu.get("power_limit_w"),
        "other_processes": others,
        "other_cpu_load": load,
    }


def clock_reasons(before_mhz: int | None, after_mhz: int | None) -> list[str]:
    """Return a reason where the SM clock fell; the warm-up takes care of its rise from idle."""
    if before_mhz is None or after_mhz is None or after_mhz >= before_mhz * (1 - CLOCK_CHANGE):
        return []
    return [f"the SM clock fell from {before_mhz} to {after_mhz} MHz: cool the GPU or raise its power limit"]
