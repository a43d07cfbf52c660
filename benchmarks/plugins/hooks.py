"""The moments of a benchmark at which plugins measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchmarks.run import ForwardRun


class ForwardHooks:
    """The hooks that a plugin of this suite may implement."""

    def pytest_forward_starting(self, run: ForwardRun) -> None:
        """Called when model and data are on the device, before the execution is prepared (captured, compiled)."""

    def pytest_forward_prepared(self, run: ForwardRun) -> None:
        """Called when one forward has run, before the warm-up rounds."""

    def pytest_forward_timed(self, run: ForwardRun) -> None:
        """Called after the timed rounds, still in the precision's context: measure, and write `run.extra_info`."""

    def pytest_forward_timed_again(self, run: ForwardRun) -> None:
        """Called at the end of the session, when the first benchmark of an execution has been timed once more."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make them known to pytest."""
    pluginmanager.add_hookspecs(ForwardHooks)
