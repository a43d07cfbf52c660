"""The instrument that meters energy, as the option --energy says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.instruments.base import InVisit
from benchmarks.instruments.energy.figures import MeteredWindow, figures, marks
from benchmarks.instruments.energy.measurement import (
    cross_check,
    idle_power,
    meter_facts,
    refuse,
    require_undisturbed,
)
from benchmarks.instruments.energy.records import EnergyRecord, VisitEnergy
from benchmarks.loop import Rounds, run_beside
from benchmarks.machine.readings import while_running
from benchmarks.meters import Meter, MeterError, Reading, open_meter
from benchmarks.policies import Policies
from benchmarks.run import BenchmarkRun
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
        self._meter: Meter | MeterError | NvmlError | None = None
        #: Why better meters did not answer.
        self._passed_over: str | None = None
        self._idle_before: Reading | None = None
        self._idle_after: Reading | None = None
        self._idle_temperature_c: int | None = None
        self._window: Reading | MeterError | NvmlError | None = None
        self._cross_check: dict[str, Any] | None = None
        #: By case, where the meter needs longer than a visit.
        self._long_windows: dict[str, MeteredWindow | MeterError | NvmlError] = {}

    def prepared(self, run: BenchmarkRun) -> None:
        """Open the meter before the first visit, and read the idle power.

        Raises `EnergyRequiredError` where there is none and --energy require has to fail.
        """
        if run.settings.energy == "off":
            return
        if isinstance(self._meter, Exception):
            self._require(run, str(self._meter))
        if self._meter is not None:
            return
        try:
            self._meter, self._passed_over = open_meter(run.settings.device, self._policy)
        except (NvmlError, MeterError) as error:
            self._meter = error
            self._require(run, str(error))
            return
        self._idle_before = idle_power(self._meter, self._policy)
        self._idle_temperature_c = while_running(run.settings.device).get("temperature_c")

    def beside(self, run: BenchmarkRun) -> None:
        """Meter one window of the visit."""
        self._window = None
        if self._meter is None:
            return
        if isinstance(self._meter, Exception):
            self._window = self._meter
            return
        self._meter.reads_s = []
        try:
            if not self._meter.needs_long_window:
                ticks = sum(visit["ticks"] or 0 for visit in run.done)
                window_s = self._meter.visit_window_s(max(1, run.planned_visits - len(run.visits)), ticks)
                self._window = self._meter.measure(window_s)
        except (NvmlError, MeterError) as error:
            self._window = error
        run.reads_s += self._meter.reads_s

    def visited(self, run: BenchmarkRun) -> Record:
        """Return the energy of the visit's window."""
        window, rounds = self._window, run.rounds
        loop_ms = 1000 * (rounds.end_s[-1] - rounds.start_s[0]) / len(rounds)
        gap_share = rounds.gap_share(rounds.start_s[0], rounds.end_s[-1])
        if window is None:
            window = MeterError("NO_WINDOW", "no window was metered in this visit")
        if isinstance(window, Reading):
            try:
                require_undisturbed(run.before, run.after, self._policy)
                metered = metered_window(window, rounds, run.case.batch_size)
            except MeterError as error:
                window = error
        if not isinstance(window, Reading):
            return VisitEnergy(loop_ms=loop_ms, gap_share=gap_share, energy_reason=str(window), energy_code=window.code)
        return VisitEnergy(
            energy_mj=metered.energy_mj,
            loop_ms=metered.loop_ms,
            gap_share=metered.gap_share,
            power_w=metered.power_w,
            window_s=metered.window_s,
            window_middle_s=(window.start_s + window.end_s) / 2 - run.session_start_s,
            window_rounds=metered.rounds,
            window_rel_u=metered.rel_u,
            ticks=metered.ticks,
        )

    def closing(self, run: BenchmarkRun) -> None:
        """After the last visit: read idle power again, check the meter once, and meter what took too long for visits.

        Raises `EnergyRequiredError` where --energy require has to fail.
        """
        meter = self._meter
        if meter is not None and not isinstance(meter, Exception):
            if self._cross_check is None:  # the first case to be closed
                self._idle_after = idle_power(meter, self._policy)
                self._cross_check = run_beside(run.loop, lambda: cross_check(meter, self._policy))[1]
            if meter.needs_long_window:
                self._long_windows[run.case.id] = self._long_window(meter, run)
        energy = self.measure(run)
        if energy.energy_per_sample_mj is None:
            self._require(run, str(energy.reason))

    def measure(self, run: BenchmarkRun) -> EnergyRecord:
        """Return the energy record of the visits made so far."""
        if run.settings.energy == "off":
            return EnergyRecord(status="off", reason="switched off with --energy off", code="OFF")
        if isinstance(self._meter, Exception):
            return unavailable(self._meter)
        try:
            return self._record(run)
        except (NvmlError, MeterError) as error:
            return unavailable(error)

    def _record(self, run: BenchmarkRun) -> EnergyRecord:
        windows = self._windows(run)
        idle = [reading for reading in (self._idle_before, self._idle_after) if reading is not None]
        record = figures(windows, idle, run.case.batch_size, run.tokens_per_round)
        if run.workload.unit == "token":
            record["energy_per_token_mj"] = record["energy_per_sample_mj"]
        refuse(record, self._policy)
        found = marks(record, self._policy)
        missing = len(run.done) - len(windows)
        if missing and run.case.id not in self._long_windows:
            reasons = dict.fromkeys(visit["energy_reason"] for visit in run.done if visit["energy_mj"] is None)
            found.append(f"{missing} of {len(run.done)} visits have no energy: {'; '.join(reasons)}")
        checked = self._cross_check or {}
        difference = checked.get("cross_check_rel")
        status = "marked" if found else "ok"
        if difference is not None and abs(difference) > self._policy.largest_dispute:
            status = "disputed"
            found.insert(0, f"counter and integrated power differ by {difference:+.1%}")
        return EnergyRecord(
            **record,
            **checked,
            **meter_facts(self._meter),  # type: ignore[arg-type]  # windows have been metered
            status=status,
            marks="; ".join(found) or None,
            passed_over=self._passed_over,
            idle_power_before_w=None if self._idle_before is None else self._idle_before.power_w,
            idle_power_after_w=None if self._idle_after is None else self._idle_after.power_w,
            idle_temperature_c=self._idle_temperature_c,
            power_series=power_series(run.done),
        )

    def _windows(self, run: BenchmarkRun) -> list[MeteredWindow]:
        """Return the windows of a case; raise what there is against them where there is none."""
        if run.case.id in self._long_windows:
            window = self._long_windows[run.case.id]
            if isinstance(window, Exception):
                raise window
            return [window]
        windows = [MeteredWindow.of_visit(visit) for visit in run.done if visit["energy_mj"] is not None]
        if not windows:
            first = run.done[0]
            raise MeterError(first["energy_code"], first["energy_reason"])
        return windows

    def _long_window(self, meter: Meter, run: BenchmarkRun) -> MeteredWindow | MeterError | NvmlError:
        def read() -> Reading | MeterError | NvmlError:
            try:
                return meter.measure(self._policy.average.window_s)
            except (NvmlError, MeterError) as error:
                return error

        rounds, reading = run_beside(run.loop, read)
        if not isinstance(reading, Reading):
            return reading
        try:
            return metered_window(reading, rounds, run.case.batch_size)
        except MeterError as error:
            return error

    def _require(self, run: BenchmarkRun, reason: str) -> None:
        if run.settings.energy == "require":
            raise EnergyRequiredError(f"--energy require: the energy of {run.case.id} is not known ({reason}).")


def metered_window(window: Reading, rounds: Rounds, batch_size: int) -> MeteredWindow:
    """Join a meter's reading with the rounds that ran in exactly that time.

    Raises `MeterError` where none did.
    """
    count, window_s = rounds.between(window.start_s, window.end_s), window.end_s - window.start_s
    if not count > 0:
        raise MeterError("NO_ROUNDS", f"no round ran in the meter's window of {window_s:.3g} s; expected one at least")
    return MeteredWindow(
        energy_mj=window.energy_mj / count / batch_size,
        loop_ms=1000 * window_s / count,
        gap_share=rounds.gap_share(window.start_s, window.end_s),
        power_w=window.power_w,
        window_s=window_s,
        rounds=count,
        ticks=window.ticks,
        rel_u=window.rel_u,
    )


def unavailable(error: MeterError | NvmlError) -> EnergyRecord:
    """Return the record of an energy that could not be measured: every figure null, never 0."""
    return EnergyRecord(status="unavailable", reason=str(error), code=error.code)


def power_series(visits: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return [seconds since the session began, watts] for each visit with a window."""
    return [(visit["window_middle_s"], visit["power_w"]) for visit in visits if visit["energy_mj"] is not None]
