"""The instrument that meters energy, as the option --energy says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.instruments.base import InVisit
from benchmarks.instruments.energy.figures import MeteredWindow, energy_figures, marks
from benchmarks.instruments.energy.measurement import (
    cross_check,
    idle_power,
    meter_facts,
    refuse,
    require_undisturbed,
)
from benchmarks.instruments.energy.metering import Closing, Metered, Refused, metered_window, window_of
from benchmarks.instruments.energy.records import EnergyRecord, VisitEnergy
from benchmarks.instruments.energy.windows import window_of_rounds
from benchmarks.loop import ForwardLoop, Rounds, run_beside
from benchmarks.machine.readings import while_running
from benchmarks.measured_case import MeasuredCase
from benchmarks.meters import Meter, MeterError, Reading, open_meter
from benchmarks.policies import Policies
from benchmarks.visit import DeviceReads
from benchmarks.visiting import TimedVisit
from core.metrics.figures import NOT_MEASURED, Figure
from core.metrics.records import Record
from fixtures.device.nvml import NvmlError


class EnergyRequiredError(Exception):
    """The energy of a benchmark could not be measured, and --energy require says that it must be."""


class Energy(InVisit):
    """Meters the rounds that are timed, beside them."""

    name = "energy"
    description = "energy of the rounds that are timed, by the best meter that answers"
    record = EnergyRecord

    def __init__(self, policies: Policies) -> None:
        super().__init__(policies)
        self._policy = policies.energy
        #: None before the first visit, and where --energy off is given.
        self._metering: Metered | Refused | None = None
        self._closing: Closing | None = None
        #: By case, where the meter needs longer than a visit.
        self._long_windows: dict[str, MeteredWindow | Refused] = {}

    def prepared(self, case: MeasuredCase) -> None:
        """Open the meter before the first visit, and read the idle power.

        Raises `EnergyRequiredError` where there is none and --energy require has to fail.
        """
        if case.settings.energy != "off" and self._metering is None:
            self._metering = self._open(case)
        if isinstance(self._metering, Refused):
            self._require(case, self._metering.reason)

    def _open(self, case: MeasuredCase) -> Metered | Refused:
        device = case.settings.device
        try:
            meter, passed_over = open_meter(device, self._policy)
        except (NvmlError, MeterError) as error:
            return Refused.by(error)
        return Metered(meter, passed_over, idle_power(meter, self._policy), while_running(device).get("temperature_c"))

    def beside(self, case: MeasuredCase, reads: DeviceReads) -> Reading | Refused | None:
        """Meter one window of the visit; None where that is done after the last visit, or not at all."""
        if not isinstance(self._metering, Metered):
            return self._metering
        meter = self._metering.meter
        try:
            if meter.needs_long_window:
                return None
            ticks = sum(visit.of(VisitEnergy).ticks or 0 for visit in case.done)
            remaining = max(1, case.planned_visits - len(case.visits))
            window_s = meter.visit_window_s(remaining, ticks, reads.read)
            return meter.measure(window_of_rounds(case, meter, reads.rounds, window_s, self._policy), reads.read)
        except (NvmlError, MeterError) as error:
            return Refused.by(error)

    def visited(self, visit: TimedVisit, reading: Reading | Refused | None) -> Record:
        """Return the energy of the visit's window."""
        rounds = visit.rounds
        if reading is None:
            reading = Refused("no window was metered in this visit", "NO_WINDOW")
        if isinstance(reading, Reading):
            try:
                require_undisturbed(visit.before, visit.after, self._policy)
                window = self._joined(reading, rounds, visit.case)
            except MeterError as error:
                reading = Refused.by(error)
        if isinstance(reading, Refused):
            return VisitEnergy(
                energy_mj=Figure(None, reason=reading.reason),
                energy_code=reading.code,
                loop_ms=1000 * (rounds.end_s[-1] - rounds.start_s[0]) / len(rounds),
                gap_share=rounds.gap_share(rounds.start_s[0], rounds.end_s[-1]),
            )
        return VisitEnergy(
            energy_mj=Figure(window.energy_mj),
            loop_ms=window.loop_ms,
            gap_share=window.gap_share,
            power_w=window.power_w,
            window_s=window.window_s,
            window_middle_s=(reading.start_s + reading.end_s) / 2 - visit.case.session_start_s,
            window_rounds=window.rounds,
            window_rel_u=window.rel_u,
            ticks=window.ticks,
        )

    def closing(self, case: MeasuredCase, loop: ForwardLoop) -> None:
        """After the last visit: read idle power again, check the meter once, and meter what took too long for visits.

        Raises `EnergyRequiredError` where --energy require has to fail.
        """
        if isinstance(self._metering, Metered):
            meter = self._metering.meter
            if self._closing is None:  # the first case to be closed
                idle_after = idle_power(meter, self._policy)
                self._closing = Closing(idle_after, run_beside(loop, lambda _: cross_check(meter, self._policy))[1])
            if meter.needs_long_window:
                self._long_windows[case.case.id] = self._long_window(meter, case, loop)
        energy = self.measure(case).energy_per_sample_mj
        if energy.value is None:
            self._require(case, str(energy.reason))

    def measure(self, case: MeasuredCase) -> EnergyRecord:
        """Return the energy record of the visits made so far."""
        if case.settings.energy == "off":
            return unavailable(Refused("switched off with --energy off", "OFF"), status="off")
        if not isinstance(self._metering, Metered):
            return unavailable(self._metering or Refused("no visit was made", "NO_WINDOW"))
        windows = self._windows(case)
        if isinstance(windows, Refused):
            return unavailable(windows)
        try:
            return self._record(case, self._metering, windows)
        except MeterError as error:
            return unavailable(Refused.by(error))

    def _record(self, case: MeasuredCase, metered: Metered, windows: Sequence[MeteredWindow]) -> EnergyRecord:
        after = self._closing.idle_after if self._closing is not None else None
        idle = [reading for reading in (metered.idle_before, after) if reading is not None]
        record = energy_figures(windows, idle, case.case.batch_size, case.tokens_per_round)
        if case.workload.unit.is_token:
            record["energy_per_token_mj"] = record["energy_per_sample_mj"].value
        refuse(record, self._policy)
        remarks = marks(record, self._policy)
        missing = [visit.of(VisitEnergy).energy_mj for visit in case.done]
        reasons = dict.fromkeys(str(one.reason) for one in missing if one.value is None)
        if reasons and case.case.id not in self._long_windows:
            count = sum(one.value is None for one in missing)
            remarks.append(f"{count} of {len(case.done)} visits have no energy: {'; '.join(reasons)}")
        difference = self._closing.cross_check if self._closing is not None else NOT_MEASURED
        status = "marked" if remarks else "ok"
        if difference.value is not None and abs(difference.value) > self._policy.largest_dispute:
            status = "disputed"
            remarks.insert(0, f"counter and integrated power differ by {difference.value:+.1%}")
        return EnergyRecord(
            **record,
            **meter_facts(metered.meter),
            cross_check_rel=difference,
            status=status,
            marks="; ".join(remarks) or None,
            passed_over=metered.passed_over,
            idle_power_before_w=None if metered.idle_before is None else metered.idle_before.power_w,
            idle_power_after_w=None if after is None else after.power_w,
            idle_temperature_c=metered.idle_temperature_c,
            power_series=power_series(visit.of(VisitEnergy) for visit in case.done),
        )

    def _windows(self, case: MeasuredCase) -> Sequence[MeteredWindow] | Refused:
        """Return the windows of a case, or what there is against them where there is none."""
        if case.case.id in self._long_windows:
            window = self._long_windows[case.case.id]
            return window if isinstance(window, Refused) else [window]
        of_visits = [visit.of(VisitEnergy) for visit in case.done]
        windows = [window for window in map(window_of, of_visits) if window is not None]
        return windows or Refused(str(of_visits[0].energy_mj.reason), str(of_visits[0].energy_code))

    def _long_window(self, meter: Meter, case: MeasuredCase, loop: ForwardLoop) -> MeteredWindow | Refused:
        def read(rounds: Rounds) -> Reading | Refused:
            try:
                window_s = self._policy.average.window_s
                return meter.measure(window_of_rounds(case, meter, rounds, window_s, self._policy))
            except (NvmlError, MeterError) as error:
                return Refused.by(error)

        rounds, reading = run_beside(loop, read)
        try:
            return reading if isinstance(reading, Refused) else self._joined(reading, rounds, case)
        except MeterError as error:
            return Refused.by(error)

    def _joined(self, reading: Reading, rounds: Rounds, case: MeasuredCase) -> MeteredWindow:
        return metered_window(reading, rounds, case.case.batch_size, self._policy.fewest_rounds)

    def _require(self, case: MeasuredCase, reason: str) -> None:
        if case.settings.energy == "require":
            raise EnergyRequiredError(f"--energy require: the energy of {case.case.id} is not known ({reason}).")


def unavailable(refused: Refused, status: str = "unavailable") -> EnergyRecord:
    """Return the record of an energy that could not be measured: every figure null, never 0."""
    missing: Figure[float] = Figure(None, reason=refused.reason)
    return EnergyRecord(status=status, energy_per_sample_mj=missing, code=refused.code)


def power_series(visits: Iterable[VisitEnergy]) -> list[tuple[float, float]]:
    """Return [seconds since the session began, watts] for each visit with a window."""
    return [
        (visit.window_middle_s, visit.power_w)
        for visit in visits
        if visit.window_middle_s is not None and visit.power_w is not None
    ]
