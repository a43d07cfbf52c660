"""The loop that is timed: what a round is, in which order rounds run, and which of them count."""

from __future__ import annotations

import gc
import math
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.loop import ClockError, ForwardLoop, Rounds
from benchmarks.measured_case import MeasuredCase
from benchmarks.visit import DeviceReads
from benchmarks.visiting import measure_rounds
from fixtures.dataset.batches import FULL, PADDED, Batch
from fixtures.executions import EXECUTIONS, Forward
from fixtures.executions.eager import eager_forward
from fixtures.workloads import Step
from fixtures.workloads import forward as forward_workload
from tests.support.timed_cases import batches, case_in_progress
from tests.support.tiny import REPOSITORY, tiny_gpt2

CPU = torch.device("cpu")
#: Seconds after which a thread is no longer waited for.
PATIENCE_S = 120
#: Folders of the code that a round runs; an environment may lie inside the repository, so that is no criterion.
OWN_FOLDERS = {REPOSITORY / "benchmarks", REPOSITORY / "fixtures"}


def calling(logits: Callable[..., Any]) -> Forward:
    """A forward that calls a function with the batch in place."""
    step = Step(logits, forward_workload.inputs, forward_workload.changing)
    return eager_forward(step, [Batch(torch.zeros(1), torch.zeros(1), text_tokens=0)])


def until(count: int) -> Callable[[int], bool]:
    """The function that tells to go on until so many rounds are done."""
    return lambda done: done < count


def numbers_read(count: int, first: int, *rounds: int) -> list[int]:
    """Which of `count` batches a loop reads from number `first` on, in runs of so many rounds."""
    seen: list[int] = []
    loop = ForwardLoop(calling(lambda input_ids, **_: seen.append(int(input_ids[0, 0]))), batches(*[FULL] * count), CPU)
    loop.next_index = first
    for number in rounds:
        loop.run_rounds(until(number))
    return seen


def test_rounds_read_batches_in_their_order_and_wrap_around():
    assert numbers_read(4, 0, 6) == [0, 1, 2, 3, 0, 1]
    assert numbers_read(4, 2, 7) == [2, 3, 0, 1, 2, 3, 0]
    assert numbers_read(3, 7, 2) == [1, 2]
    assert numbers_read(4, 1, 2, 3) == [1, 2, 3, 0, 1]  # the second run begins where the first has ended


@pytest.mark.parametrize(("told", "count"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_rounds_stop_when_told_and_are_one_at_least(told, count):
    asked: list[int] = []
    loop = ForwardLoop(calling(lambda input_ids, **_: input_ids), batches(FULL), CPU)
    rounds = loop.run_rounds(lambda done: asked.append(done) or done < told)
    assert asked == list(range(1, count + 1))
    assert len(rounds) == len(rounds.start_s) == len(rounds.end_s) == count
    assert loop.next_index == count


def test_each_round_has_the_variant_of_the_batch_that_it_read():
    loop = ForwardLoop(calling(lambda input_ids, **_: input_ids), batches(FULL, PADDED, PADDED), CPU)
    loop.next_index = 5
    assert loop.run_rounds(until(5)).variants == [PADDED, FULL, PADDED, PADDED, FULL]


def test_a_batch_is_placed_as_a_view_of_the_dataset_not_a_copy():
    data = batches(FULL, FULL)
    loop = ForwardLoop(calling(lambda input_ids, **_: input_ids), data, CPU)
    loop.place_next()
    assert loop.forward_and_wait().data_ptr() == data[0].input_ids.data_ptr()
    assert loop.run_on(data[1]).data_ptr() == data[1].input_ids.data_ptr()


def recorded_loop(monkeypatch, count: int) -> tuple[ForwardLoop, list[str]]:
    """A loop over so many batches, and what it has called: the clock, the forward and the device, in their order."""
    events: list[str] = []

    def clock() -> float:
        events.append("clock")
        return float(len(events))

    monkeypatch.setattr("benchmarks.loop.time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr("benchmarks.loop.synchronizer", lambda device: lambda: events.append("synchronize"))
    monkeypatch.setattr("benchmarks.loop.waiter", lambda device: lambda: events.append("wait"))
    forward = Forward(lambda batch: events.append(f"place {int(batch.input_ids[0, 0])}"), lambda: events.append("run"))
    return ForwardLoop(forward, batches(*[FULL] * count), CPU), events


def test_a_round_is_run_and_wait_between_two_clock_reads_and_the_next_batch_is_placed_after_them(monkeypatch):
    loop, events = recorded_loop(monkeypatch, count=2)
    rounds = loop.run_rounds(until(3))
    timed = ["clock", "run", "wait", "clock"]
    assert events == ["place 0", "synchronize", *timed, "place 1", *timed, "place 0", *timed]
    # The clock told how many events there had been.
    assert rounds.start_s == [3, 8, 13]
    assert rounds.end_s == [6, 11, 16]
    assert rounds.durations_s == [3, 3, 3]


def test_an_untimed_forward_is_waited_for_and_reads_no_clock(monkeypatch):
    loop, events = recorded_loop(monkeypatch, count=2)
    loop.run_on(batches(FULL, FULL, FULL)[2])
    assert events == ["place 2", "run", "wait"]
    assert loop.next_index == 0


@pytest.mark.parametrize(("keeps_logits", "round_of"), [(False, "timed"), (True, "timed_and_kept")])
def test_of_this_project_only_the_forward_and_the_wait_run_between_the_clock_reads(keeps_logits, round_of):
    ids = torch.arange(8)[None]
    data = [Batch(ids, torch.ones_like(ids), text_tokens=8)]
    loop = ForwardLoop(EXECUTIONS["eager"].prepare(tiny_gpt2(), data), data, CPU, keeps_logits=keeps_logits)
    calls: list[str] = []

    def profile(frame, event, argument):
        if not OWN_FOLDERS & set(Path(frame.f_code.co_filename).parents):
            return  # hypothesis reads the clock too, wherever garbage is collected
        if event == "c_call" and frame.f_code.co_name == round_of:
            calls.append("clock" if argument is time.perf_counter else argument.__name__)
        elif event == "call":
            calls.append(frame.f_code.co_name)

    def profiled_until_the_third(done: int) -> bool:
        sys.setprofile(profile)  # after the first round: what was set before is off while rounds run
        return done < 3

    with torch.no_grad():
        try:
            loop.run_rounds(profiled_until_the_third)
        finally:
            sys.setprofile(None)
    first, second, third, fourth = (index for index, call in enumerate(calls) if call == "clock")
    for begin, end in ((first, second), (third, fourth)):
        assert calls[begin + 1 : end] == ["<lambda>", "logits", "<lambda>"]  # to run, and to wait
    assert "_place_next" in calls[second:third]


def test_the_logits_of_the_last_round_are_kept_where_they_are_asked_for_and_no_others():
    alive: list[weakref.ref] = []
    most: list[int] = []

    def forward(input_ids, **_):
        logits = torch.full((1,), float(len(alive)))
        alive.append(weakref.ref(logits))
        most.append(sum(one() is not None for one in alive))
        return logits

    for keeps_logits in (False, True):
        alive.clear()
        loop = ForwardLoop(calling(forward), batches(FULL), CPU, keeps_logits=keeps_logits)
        for _ in range(2):
            loop.run_rounds(until(2))
        kept = [number for number, logits in enumerate(alive) if logits() is not None]
        assert kept == ([3] if keeps_logits else [])
        assert loop.last_logits is None or float(loop.last_logits) == 3
        loop.release()
        assert all(logits() is None for logits in alive)
    assert most == [1] * 8  # no round runs beside the logits of another


@pytest.fixture(params=[True, False])
def collecting(request):
    """Garbage is collected, or somebody else has switched that off."""
    was = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if was else gc.disable)()


def test_garbage_is_not_collected_during_rounds_and_afterwards_as_before(collecting):
    seen: list[bool] = []
    loop = ForwardLoop(calling(lambda **_: seen.append(gc.isenabled())), batches(FULL), CPU)
    loop.run_rounds(lambda done: seen.append(gc.isenabled()) or done < 3)
    assert seen == [False] * 6
    assert gc.isenabled() is collecting


def test_garbage_is_collected_again_after_a_round_that_raises(collecting):
    def fail(**_: torch.Tensor) -> None:
        raise RuntimeError(f"collecting: {gc.isenabled()}")

    with pytest.raises(RuntimeError, match="collecting: False"):
        ForwardLoop(calling(fail), batches(FULL), CPU).run_rounds(until(3))
    assert gc.isenabled() is collecting


@pytest.mark.parametrize("end_s", [1.0, 0.5, math.nan])
def test_a_clock_that_stands_still_or_goes_backwards_is_an_error(end_s):
    rounds = Rounds(batches(FULL), 0, [0.0, 1.0], [0.25, end_s])
    with pytest.raises(ClockError, match="expected more than 0"):
        _ = rounds.durations_s
    assert Rounds(batches(FULL), 0, [0.0, 1.0], [0.25, 1.5]).durations_s == [0.25, 0.5]


#: From 10 to 11, 11.5 to 12 and 12 to 14 s.
THREE = Rounds(batches(FULL), 0, [10.0, 11.5, 12.0], [11.0, 12.0, 14.0])


@pytest.mark.parametrize(
    ("moment_s", "count"),
    [(-5, 0), (9, 0), (10, 0), (10.25, 0.25), (11, 1), (11.5, 1.5), (12, 2), (13.5, 2.75), (14, 3)],
)
def test_the_rounds_until_a_moment_are_none_before_the_first(moment_s, count):
    assert THREE.until(moment_s) == count


@pytest.mark.parametrize(
    ("start_s", "end_s", "count", "gap_share"),
    [
        (10.0, 14.0, 3.0, 0.125),
        (8.0, 10.5, 0.5, 0.8),
        (8.0, 9.0, 0.0, 1.0),
        (10.5, 12.5, 1.75, 0.25),
        (11.0, 11.5, 0.5, 1.0),
        (12.5, 13.5, 0.5, 0.0),
    ],
)
def test_rounds_and_gaps_between_two_moments(start_s, end_s, count, gap_share):
    assert THREE.between(start_s, end_s) == count
    assert THREE.gap_share(start_s, end_s) == pytest.approx(gap_share)


steps = st.lists(st.integers(1, 9), min_size=2, max_size=20)
reads = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=5)


@given(steps, reads)
def test_a_round_is_undisturbed_where_no_read_has_a_moment_in_common_with_it(steps, reads):
    moments = [float(sum(steps[:count])) for count in range(1, len(steps) + 1)]
    rounds = Rounds(batches(FULL), 0, moments[0 : len(moments) // 2 * 2 : 2], moments[1::2])
    reads_s = [(begin + 0.5, begin + 0.5 + length) for begin, length in reads]  # never exactly at a round's end
    assert rounds.are_undisturbed(reads_s) == [
        not any(begin < end_s and start_s < end for begin, end in reads_s)
        for start_s, end_s in zip(rounds.start_s, rounds.end_s, strict=True)
    ]


def case_with_loop(forward: Callable[[], object], rounds: int, visits: int = 1) -> tuple[MeasuredCase, ForwardLoop]:
    data = SimpleNamespace(batches=batches(FULL, PADDED, PADDED, FULL))
    case = case_in_progress(data, rounds=rounds, visits=visits)
    return case, ForwardLoop(Forward(lambda batch: None, forward), data.batches, CPU)


def test_rounds_that_were_disturbed_are_not_timed():
    begun, read = threading.Event(), threading.Event()

    def beside(reads: DeviceReads) -> list[tuple[float, float]]:
        begun.wait(PATIENCE_S)
        assert reads.read(lambda: "a power") == "a power"
        read.set()
        return reads.intervals_s

    def forward() -> None:
        begun.set()
        read.wait(PATIENCE_S)  # the first round lasts until the read is over

    rounds, timed, intervals_s = measure_rounds(*case_with_loop(forward, rounds=3), 1, beside)
    assert len(intervals_s) == 1
    assert timed.durations_s == rounds.durations_s[1:]
    assert timed.variants == rounds.variants[1:]
    assert timed.disturbed == 1
    assert len(rounds) >= 3


def test_where_every_round_was_disturbed_others_run_alone():
    threads: list[threading.Thread] = []
    begun = threading.Event()

    def beside(reads: DeviceReads) -> list[tuple[float, float]]:
        threads.append(threading.current_thread())
        begun.wait(PATIENCE_S)
        reads.read(lambda: None)
        return reads.intervals_s

    def forward() -> None:
        begun.set()
        while not threads:
            time.sleep(0.001)
        threads[0].join(PATIENCE_S)  # the first round outlasts everything that is read

    rounds, timed, intervals_s = measure_rounds(*case_with_loop(forward, rounds=1), 1, beside)
    assert len(rounds) == 1
    assert rounds.are_undisturbed(intervals_s) == [False]
    assert timed.variants == [PADDED]  # of the second batch
    assert timed.durations_s != rounds.durations_s
    assert timed.disturbed == 1


def test_visits_share_the_rounds_that_were_asked_for_and_begin_all_over_the_dataset():
    case, loop = case_with_loop(lambda: None, rounds=9, visits=4)
    assert case.rounds_a_visit == 3
    assert [case.first_batch(number) for number in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert [case_with_loop(lambda: None, 9, visits=2)[0].first_batch(number) for number in (1, 2)] == [0, 2]
    _, timed, _ = measure_rounds(case, loop, 3, lambda reads: None)
    assert timed.variants[:3] == [PADDED, FULL, FULL]
