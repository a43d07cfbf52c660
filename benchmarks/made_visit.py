"""How one visit is made, from its preparation to the records of the instruments beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.instruments.base import InVisit, require_record
from benchmarks.loop import ForwardLoop
from benchmarks.machine.readings import snapshot
from benchmarks.measured_case import MeasuredCase
from benchmarks.timed_rounds import VisitLatency
from benchmarks.visit import DeviceReads, Visit
from benchmarks.visiting import TimedVisit, measure_rounds, settle


def made_visit(
    case: MeasuredCase,
    instruments: Sequence[InVisit],
    number: int,
    position: int,
    timed: Callable[[ForwardLoop], None],
) -> Visit:
    """Prepare, warm up, call `timed`, and run the rounds with the instruments beside them; return the visit.

    Call it inside the precision's context. Raises what makes a benchmark fail.
    """
    device = case.settings.device
    with ExitStack() as stack:
        with case.phase("preparation"):
            loop = stack.enter_context(case.loop(number))
        for instrument in instruments:
            instrument.prepared(case)
        before = snapshot(device)
        with case.phase("warm_up"):
            warm_up = settle(case, loop, number)
        timed(loop)
        started_s = time.perf_counter() - case.session_start_s
        with case.phase("rounds"):
            rounds, timed_rounds, readings = measure_rounds(case, loop, number, partial(_beside, instruments, case))
        after = snapshot(device)
        case.keep_peak_memory()
        drift = loop.drift()
    latency = VisitLatency.of(timed_rounds, warm_up, case.data.variant_shares, is_replayed=case.is_replayed)
    visit = TimedVisit(case, rounds, timed_rounds, latency, before, after, drift)
    records = (require_record(one, one.visited(visit, readings[one.name])) for one in instruments)
    return Visit(
        number=number,
        position=position,
        started_s=started_s,
        timed=timed_rounds,
        latency=latency,
        records=tuple(records),
    )


def _beside(instruments: Sequence[InVisit], case: MeasuredCase, reads: DeviceReads) -> dict[str, Any]:
    return {instrument.name: instrument.beside(case, reads) for instrument in instruments}
