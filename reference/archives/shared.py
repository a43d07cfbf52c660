"""Parts of `machine_info` that most runs of a host repeat: in its archive each is stored once.

The catalogue of metrics is a fifth of a run. Where a part stood, a stored run has `{"stored_in": NAME}` with the name
of a member, such as `shared/metrics_1.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.errors import InputError

FOLDER = "shared"
KEYS = ("metrics", "tasks", "cpu")
STORED_IN = "stored_in"


def is_run(name: str) -> bool:
    """Tell whether a member of an archive, or a file of a host's folder, is a saved run."""
    return name.endswith(".json") and not name.startswith(f"{FOLDER}/")


def as_json(value: Any) -> bytes:  # noqa: ANN401
    """Return a JSON value without spaces, its keys in their order."""
    return json.dumps(value, separators=(",", ":")).encode()


def read_run(content: bytes, name: str) -> dict[str, Any]:
    """Return a run as JSON has it. Raises `InputError` where it is none, or has no `machine_info`."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not a saved run: {type(error).__name__}: {error}.") from error
    if not isinstance(document, dict) or not isinstance(document.get("machine_info"), dict):
        raise InputError(f"{name} is not a saved run: it has no machine_info.")
    return document


def without_shared(content: bytes, parts: dict[str, bytes], name: str) -> bytes:
    """Return a run with the name of a part in place of each part; parts that are new are added to `parts`."""
    run = read_run(content, name)
    machine = run["machine_info"]
    for key in (key for key in KEYS if key in machine):
        part = as_json(machine[key])
        known = [name for name in parts if name.startswith(f"{FOLDER}/{key}_")]
        stored_in = next((name for name in known if parts[name] == part), f"{FOLDER}/{key}_{len(known) + 1}.json")
        parts[stored_in] = part
        machine[key] = {STORED_IN: stored_in}
    return as_json(run)


def with_shared(content: bytes, parts: Mapping[str, bytes], name: str) -> bytes:
    """Return the run that was stored, with each part in its place.

    Raises `InputError` where a part is missing, or is none that JSON can have.
    """
    run = read_run(content, name)
    machine = run["machine_info"]
    stored = {key: machine[key] for key in KEYS if isinstance(machine.get(key), dict)}
    named = {key: part[STORED_IN] for key, part in stored.items() if list(part) == [STORED_IN]}
    for key, member in named.items():
        if not isinstance(member, str) or member not in parts:
            raise InputError(f"{name} has its {key} in {member}, which is not in the archive.")
    try:
        machine |= {key: json.loads(parts[member]) for key, member in named.items()}
        return as_json(run)
    except (ValueError, RecursionError) as error:  # a run that can be read may be too deep to be written
        stored_in = ", ".join(named.values()) or "what is stored"
        raise InputError(f"{name} cannot be made of {stored_in}: {type(error).__name__}: {error}.") from error


def is_same(name: str, one: bytes, other: bytes) -> bool:
    """Tell whether two contents of a file are the same: of a run in every value and in the order of the keys."""
    return one == other or (is_run(name) and as_json(read_run(one, name)) == as_json(read_run(other, name)))
