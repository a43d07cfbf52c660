"""Whether the model hub can be reached: probed once, in at most three seconds."""

from __future__ import annotations

import http.client
import os
import sys
import threading
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from core.errors import InputError, first_line
from data_prep.endpoint import require_endpoint

PROBE_SECONDS = 3.0
#: What the hub's client raises when a connection breaks: OSError, and its HTTP library's own errors, which are none.
HUB_ERRORS: tuple[type[BaseException], ...] = HfHubHTTPError.__bases__


@cache
def unreachable_reason() -> str | None:
    """Return why the hub cannot be reached, or None when it answers; asked once in a process, at most 3 seconds.

    The hub's clients retry for some 25 s when the hub does not answer, so they are not used to find out, and are
    put offline for the rest of the process when it does not: they then read their caches at once. Raises
    `InputError` when its address is not a web address, and when the hub answers with a server error (HTTP 5xx), which
    is temporary and must not go unnoticed.
    """
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    require_endpoint()
    reason = probe()
    if reason is not None:
        constants.HF_HUB_OFFLINE = True
        os.environ["HF_HUB_OFFLINE"] = "1"  # for `datasets`, which may not have been imported yet
        if "datasets" in sys.modules:
            sys.modules["datasets"].config.HF_HUB_OFFLINE = True
    return reason


def probe() -> str | None:
    """Return None when the hub answers within the deadline, else why not."""
    answer: list[str | int] = []
    # The deadline needs a thread: a name lookup that hangs obeys no socket timeout.
    thread = threading.Thread(target=lambda: answer.append(ask(constants.ENDPOINT)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    if not answer:
        return f"no answer from {constants.ENDPOINT} within {PROBE_SECONDS:g} s"
    if isinstance(answer[0], str):
        return f"{constants.ENDPOINT}: {answer[0]}"
    if answer[0] >= 500:
        raise InputError(
            f"The model hub at {constants.ENDPOINT} answers HTTP {answer[0]} (expected 200): try again later, "
            "or run on generated data with --stand-in always."
        )
    return None


def ask(endpoint: str) -> str | int:
    """Return the HTTP status with which the hub answers, or the reason why it does not."""
    try:
        request = urllib.request.Request(f"{endpoint}/api/models/openai-community/gpt2", method="HEAD")  # noqa: S310
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        return int(error.code)
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return first_line(error)


def snapshot_in(folder: Path) -> Path | None:
    """Return the snapshot to use of a folder of the hub's cache (`models--OWNER--NAME`); None for any other folder.

    It is that of the branch main, else the newest.
    """
    try:
        snapshots = [path for path in (folder / "snapshots").iterdir() if path.is_dir()]
    except OSError:
        return None
    try:
        main = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        main = ""
    newest = max(snapshots, key=lambda path: path.stat().st_mtime, default=None)
    return next((path for path in snapshots if path.name == main), newest)
