"""Tracers and profilers: off while rounds run, put back whatever happens, and named where they are left on."""

from __future__ import annotations

import bdb
import cProfile
import profile
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.validity import validity, visit_state
from benchmarks.loop import ForwardLoop, run_beside
from benchmarks.machine.readings import snapshot
from benchmarks.tracing import tracers_left_on, tracing_off
from core.errors import InputError
from fixtures.dataset.batches import FULL
from fixtures.executions import Forward
from tests.support.saved_runs import extra_info
from tests.support.terminal_lines import whole_lines
from tests.support.timed_cases import batches

CPU = torch.device("cpu")
IS_CPROFILE_A_MONITORING_TOOL = sys.version_info >= (3, 12)


@pytest.fixture(autouse=True)
def _as_before():
    """What traces and profiles the tests themselves is put back after each."""
    before = sys.gettrace(), sys.getprofile()
    yield
    sys.settrace(before[0])
    sys.setprofile(before[1])


def loop_over(run: Callable[[], object]) -> ForwardLoop:
    return ForwardLoop(Forward(lambda batch: None, run), batches(FULL), CPU)


def ignoring(frame, event, argument):
    """A function that traces or profiles."""


@pytest.mark.parametrize(("on", "state"), [(sys.settrace, sys.gettrace), (sys.setprofile, sys.getprofile)])
def test_what_traces_or_profiles_is_off_while_rounds_run_and_is_put_back(on, state):
    seen = []
    loop = loop_over(lambda: seen.append(state()))
    on(ignoring)
    loop.run_rounds(lambda done: done < 3)
    put_back = state()
    on(None)
    assert seen == [None] * 3
    assert put_back is ignoring


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_both_are_put_back_after_a_round_that_raises(error):
    def fail():
        raise error

    sys.setprofile(ignoring)
    sys.settrace(ignoring)
    with pytest.raises(error):
        loop_over(fail).run_rounds(lambda _: True)
    put_back = sys.gettrace(), sys.getprofile()
    sys.settrace(None)
    sys.setprofile(None)
    assert put_back == (ignoring, ignoring)


@pytest.mark.skipif(IS_CPROFILE_A_MONITORING_TOOL, reason="cProfile is a tool of sys.monitoring from Python 3.12 on")
def test_cprofile_sees_no_round_and_what_follows_them():
    def forward():
        """What runs in a round."""

    def afterwards():
        """What runs after the rounds."""

    loop = loop_over(forward)
    with cProfile.Profile() as profiler:
        loop.run_rounds(lambda done: done < 3)
        afterwards()
    calls = {entry.code.co_name: entry.callcount for entry in profiler.getstats() if hasattr(entry.code, "co_name")}
    assert calls["afterwards"] == calls["run_rounds"] == 1
    assert "forward" not in calls


@pytest.mark.parametrize("profiler", [object(), profile.Profile().dispatcher], ids=["of C", "Python's own"])
def test_a_profiler_that_cannot_be_put_back_is_one_sentence(monkeypatch, profiler):
    monkeypatch.setattr(sys, "getprofile", lambda: profiler)
    with pytest.raises(InputError, match=r"The profiler \w+\.\w+ watches this session and cannot be .*Run without it"):
        loop_over(lambda: None).run_rounds(lambda _: False)


def test_what_runs_beside_the_rounds_is_not_traced_either():
    seen = []
    threading.settrace(ignoring)
    try:
        run_beside(loop_over(lambda: None), lambda _: seen.append(sys.gettrace()))
    finally:
        threading.settrace(None)
    assert seen == [None]


def test_a_debugger_is_left_alone_and_named():
    debugger = bdb.Bdb()
    debugger.reset()
    seen = []
    loop = loop_over(lambda: seen.append(sys.gettrace()))
    sys.settrace(debugger.trace_dispatch)  # which stops nowhere
    names = tracers_left_on()
    loop.run_rounds(lambda _: False)
    sys.settrace(None)
    assert names == ("the debugger bdb.Bdb",)
    assert seen == [debugger.trace_dispatch]


def test_the_debugger_of_an_editor_is_known_by_its_module(monkeypatch):
    traced = type("SafeCallWrapper", (), {"__module__": "_pydevd_bundle.pydevd_cython", "__call__": ignoring})()
    monkeypatch.setattr(sys, "gettrace", lambda: traced)
    with tracing_off():
        assert tracers_left_on() == ("the debugger _pydevd_bundle.pydevd_cython.SafeCallWrapper",)


def test_tools_that_monitor_python_are_named(monkeypatch):
    tools = {1: "coverage.py", 2: "cProfile"}
    monkeypatch.setattr(sys, "monitoring", SimpleNamespace(get_tool=tools.get), raising=False)
    assert tracers_left_on() == ("coverage.py (in sys.monitoring)", "cProfile (in sys.monitoring)")


def test_pytorchs_profiler_is_named_while_it_is_on():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
        assert "PyTorch's profiler" in tracers_left_on()
    assert "PyTorch's profiler" not in tracers_left_on()


def test_a_visit_under_a_tool_that_stays_on_is_invalid_with_its_name(monkeypatch):
    before = snapshot(CPU)
    monkeypatch.setattr("benchmarks.machine.readings.tracers_left_on", lambda: ("a tracer",))
    states = [visit_state(before, snapshot(CPU), {}), visit_state(snapshot(CPU), snapshot(CPU), {})]
    assert [state.tracers for state in states] == [["a tracer"], ["a tracer"]]
    judged = validity(states, None)
    (reason,) = [reason for reason in judged["reasons"] if "a tracer" in reason]
    assert (judged["valid"], judged["status"]) == (False, "invalid")
    assert reason.startswith("rounds were timed under a tracer, ")


def test_a_session_that_is_profiled_times_no_profiled_round(run_suite, saved_run):
    counts = {True: 0, False: 0}

    def count(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "forward" and "input_ids" in frame.f_code.co_varnames:
            callers = set()
            while frame := frame.f_back:
                callers.add(frame.f_code.co_name)
            counts["run_rounds" in callers] += 1

    class Profiles:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(self):
            sys.setprofile(count)
            try:
                return (yield)
            finally:
                sys.setprofile(None)

    assert run_suite("--benchmark-autosave", "--precisions=fp32", plugins=[Profiles()]).ret == 0
    assert counts[True] == 0
    assert counts[False] > 0
    assert extra_info(saved_run(), "fp32-eager-b1x16")["visits"][0]["tracers"] == list(tracers_left_on())


def test_a_session_under_cprofile_ends_well(run_suite):
    with cProfile.Profile() as profiler:
        result = run_suite("--precisions=fp32")
        is_put_back = sys.getprofile() is profiler
    assert result.ret == 0
    assert is_put_back or IS_CPROFILE_A_MONITORING_TOOL


def test_a_session_under_pytorchs_profiler_is_invalid_and_says_so(run_suite, saved_run):
    class Profiles:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(self, item):
            if "test_visit" not in item.name:
                return (yield)
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]):
                return (yield)

    result = run_suite("--benchmark-autosave", "--precisions=fp32", plugins=[Profiles()])
    assert result.ret == 0
    whole_lines(result).fnmatch_lines(["warning: fp32-eager-b1x16: *rounds were timed under PyTorch's profiler, *"])
    assert extra_info(saved_run(), "fp32-eager-b1x16")["validity"]["status"] == "invalid"
