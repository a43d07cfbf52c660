"""Opens the session, and notes what becomes of each benchmark that is to run."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.policies import Policies
from benchmarks.session import Session
from fixtures.plugin import SETTINGS

SESSION = pytest.StashKey[Session]()
#: Other policies than the suite's own, put here before this plugin is configured.
POLICIES = pytest.StashKey[Policies]()


def name_of(item: pytest.Function) -> str:
    """Return the id of the case that a test is for; whatever else it is parametrized by plays no part."""
    return str(item.callspec.params["case"])


class SessionPlugin:
    """Keeps the ledger of benchmarks that were to run and were not measured."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: Benchmarks by the id of their test.
        self._names: dict[str, str] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what is to run; where tests are only collected, nothing is."""
        if session.config.option.collectonly:
            return
        functions = [item for item in session.items if isinstance(item, pytest.Function)]
        self._names = {item.nodeid: name_of(item) for item in functions if item.originalname == "test_forward"}
        self._session.outcomes = dict.fromkeys(self._names.values(), "was not run: the session ended before it")

    @pytest.hookimpl(tryfirst=True)  # before data and models are loaded for it
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a sentinel that has nothing to be compared with."""
        if isinstance(item, pytest.Function) and item.originalname == "test_drift":
            execution = str(item.callspec.params["execution"])
            if execution not in self._session.first_timed:
                pytest.skip(f"nothing was timed in {execution} execution")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note why a benchmark was not measured."""
        name = self._names.get(report.nodeid)
        if name is None:
            return
        if report.skipped and isinstance(report.longrepr, tuple):
            self._session.outcomes[name] = f"was not run: {report.longrepr[2].removeprefix('Skipped: ')}"
        elif report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else report.longreprtext
            self._session.outcomes[name] = f"failed: {message.splitlines()[0].removeprefix('Failed: ')}"


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Add versions, GPU, flags, commit and the catalogue of metrics to what pytest-benchmark saves of the machine."""
    machine_info.update(config.stash[SESSION].environment)


def pytest_configure(config: pytest.Config) -> None:
    """Open the session."""
    session = Session.open(config.stash[SETTINGS], config.stash.get(POLICIES, Policies()))
    config.stash[SESSION] = session
    config.pluginmanager.register(SessionPlugin(session), "precision-session")
