"""What a noise floor is of: device, driver, PyTorch and procedure, and which host measured it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from analysis.runs.saved import Run
from core.case import is_own
from core.metrics import lookup


@dataclass(frozen=True)
class Conditions:
    """The device, driver, PyTorch and procedure that a floor was measured with; None for what is not known."""

    device: str | None
    driver: str | None
    torch: str | None
    procedure: int

    @classmethod
    def of(cls, essentials: Mapping[str, Any], procedure: int) -> Conditions:
        """Return the conditions of a benchmark, from its `environment`."""
        known = [essentials.get(name) for name in ("device_name", "driver", "torch")]
        device, driver, torch = (value if isinstance(value, str) else None for value in known)
        return cls(device, driver, torch, procedure)

    def differences(self, other: Conditions) -> str:
        """Return in what another one differs from this one, as text."""
        pairs = ((name, value, asdict(other)[name]) for name, value in asdict(self).items())
        return ", ".join(f"{name} {theirs}, not {own}" for name, own, theirs in pairs if own != theirs)

    @property
    def slug(self) -> str:
        """The conditions as the name of a file: lower-case letters, digits, dots and underscores."""
        return re.sub(r"[^a-z0-9.]+", "_", "_".join(str(part) for part in asdict(self).values()).lower())


def conditions_of(run: Run) -> Conditions:
    """Return the conditions of a run, those of its first benchmark: a floor is used for runs of its own alone."""
    first = first_own(run)
    essentials, procedure = lookup(first, "environment"), first.get("procedure")
    return Conditions.of(
        essentials if isinstance(essentials, Mapping) else {}, procedure if type(procedure) is int else 0
    )


def host_of(run: Run) -> str:
    """Return what tells a run's host from others: name, CPU, and board or machine."""
    essentials = lookup(first_own(run), "environment")
    return host_name(run.environment.get("node"), essentials if isinstance(essentials, Mapping) else {})


def machine_of(run: Run) -> str:
    """Return the name of the device that a run was measured on, and what tells it from others of that name.

    That is the UUID of a board; a CPU has none, and is told by the key of its machine, or else the name of its node.
    """
    first = first_own(run)
    name, *known = (lookup(first, f"environment.{key}") for key in ("device_name", "device_uuid", "machine_key"))
    known = [value for value in (*known, run.environment.get("node")) if isinstance(value, str) and value]
    return f"{name or 'unknown device'} ({known[0] if known else 'no UUID'})"


def first_own(run: Run) -> Mapping[str, Any]:
    """Return `extra_info` of a run's first benchmark that is this suite's; empty where there is none."""
    return next((item["extra_info"] for item in run.benchmarks if is_own(item)), {})


def host_name(node: object, essentials: Mapping[str, Any]) -> str:
    """Return node name, CPU model and what tells the board or, of a CPU, the machine, those that are known.

    Machines of a cloud share name and processor: without the key of the machine one's floor would be another's.
    """
    board, machine = essentials.get("device_uuid"), essentials.get("machine_key")
    parts = (node, essentials.get("cpu_model"), machine if board is None else board)
    return ", ".join(part for part in parts if isinstance(part, str))
