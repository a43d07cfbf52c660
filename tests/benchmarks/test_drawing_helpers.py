"""The session's part in drawing by processes of their own."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
import torch

from benchmarks.plugins import reports
from benchmarks.plugins.reports import ReportPlugin
from core.tasks import DEFAULT_TASK
from tests.support.saved_runs import benchmark, summary_of


class Killed:
    """Processes that are gone when they are to draw."""

    is_shut_down = False

    def map(self, *_: object) -> None:
        raise BrokenProcessPool("a process was terminated abruptly")

    def shutdown(self, **_: object) -> None:
        self.is_shut_down = True


def plugin_on(device: str, folder) -> ReportPlugin:
    run = summary_of(benchmark("fp32", 5.0, 2.0))
    settings = SimpleNamespace(results_dir=folder, tasks=(DEFAULT_TASK,), device=torch.device(device))
    return ReportPlugin(
        SimpleNamespace(
            settings=settings,
            extra_info={"fp32": {}},
            missing={},
            benchmarks=run.benchmarks,
            environment=run.environment,
        )
    )


def item(function: str) -> SimpleNamespace:
    return SimpleNamespace(originalname=function, name=function)


@pytest.mark.parametrize(
    ("device", "function", "started"),
    [("cuda", "test_after_visits", 1), ("cuda", "test_visit", 0), ("cpu", "test_after_visits", 0)],
)
def test_they_are_started_once_when_the_visits_to_a_gpu_are_over(monkeypatch, tmp_path, device, function, started):
    starts = []
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(reports, "start_helpers", lambda count: starts.append(count) or Killed())
    plugin = plugin_on(device, tmp_path)
    for _ in range(2):
        plugin.pytest_runtest_setup(item(function))
    assert starts == [7] * started


def test_where_they_are_killed_the_session_draws_and_says_so(monkeypatch, tmp_path):
    helpers = Killed()
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(reports, "start_helpers", lambda _: helpers)
    plugin = plugin_on("cuda", tmp_path)
    plugin.pytest_runtest_setup(item("test_after_visits"))
    finishing = plugin.pytest_sessionfinish(SimpleNamespace(exitstatus=0))
    next(finishing)
    with pytest.raises(StopIteration):
        next(finishing)
    assert (tmp_path / "latency.png").exists()
    lines = []
    terminal = SimpleNamespace(section=str, write_line=lambda line, **_: lines.append(line))
    plugin.pytest_terminal_summary(terminal)
    assert [line for line in lines if "killed (a process was terminated abruptly)" in line]
    plugin.pytest_unconfigure()
    assert helpers.is_shut_down
