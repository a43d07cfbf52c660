"""The hub replica that may lie beside the checkout, and Python run with it as its hub."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.support.tiny import REPOSITORY

SHARED = Path(os.environ.get("HUB_REPLICA", REPOSITORY.parent / "shared"))
SERVER = SHARED / "tools" / "hub_replica.py"


@contextmanager
def served(*options: str, log: Path | None = None, server: Path = SERVER) -> Iterator[str]:
    """Serve the hub on a free port and give its address; with `--verbose`, `log` gets a line for each request."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(server), "--port", str(port), *options]
    with nullcontext() if log is None else log.open("w") as errors:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        running.stdout.readline()  # printed once it listens
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def run_python(folder: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty folder with an empty cache."""
    environment = os.environ | {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "0",  # a test in this process may have looked for a hub in vain
        "PYTHONPATH": str(REPOSITORY),
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,  # the longest takes 40 s on two idle cores
    )
