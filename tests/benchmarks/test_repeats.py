"""Sessions in processes of their own are not cut off where they save what they have measured."""

from __future__ import annotations

import sys

import pytest

from benchmarks.__main__ import run_to_its_end

TELLS_ITS_PARENT = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
os.kill(os.getppid(), signal.{name})
time.sleep({seconds})
sys.exit(6)
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143),
        (TELLS_ITS_PARENT.format(name="SIGTERM", seconds=120), 5),  # which hands the signal on
        (TELLS_ITS_PARENT.format(name="SIGINT", seconds=0.5), 6),  # and waits, for Ctrl-C reaches both
    ],
)
def test_a_session_is_run_to_its_end(code, expected):
    assert run_to_its_end([sys.executable, "-c", code]) == expected
