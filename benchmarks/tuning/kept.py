"""What was tried, kept on disk by all that it depends on: device, versions, model, precision and shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.tuning.tried import Tried
from core.errors import InputError
from core.files import write
from fixtures import CACHE_VARIABLE
from fixtures.executions.candidates import DEFAULT, Option

#: Within the folder of what is compiled.
FOLDER = "tuned"


@dataclass(frozen=True)
class Kept:
    """The candidates that were tried, when, and Inductor's own options then."""

    measured_utc: str
    options: Mapping[str, Option]
    tried: Sequence[Tried]

    def as_json(self) -> dict[str, Any]:
        """Return what a file holds of it."""
        return {
            "measured_utc": self.measured_utc,
            "options": dict(self.options),
            "tried": [asdict(one) for one in self.tried],
        }

    @property
    def is_lasting(self) -> bool:
        """Whether another session would find the same: where memory ran out, or the defaults failed, it need not."""
        failed_defaults = any(one.name == DEFAULT.name and not one.times_ms for one in self.tried)
        return not failed_defaults and not any(one.out_of_memory for one in self.tried)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Kept:
        """Read it again. Raises `LookupError` and `TypeError` where it is none."""
        tried = [Tried(**{**one, "times_ms": tuple(one["times_ms"])}) for one in document["tried"]]
        return cls(str(document["measured_utc"]), dict(document["options"]), tried)


def path_of(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Return the file of what was tried under some facts."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return folder / FOLDER / f"{digest[:32]}.json"


def read_kept(path: Path) -> Kept | None:
    """Return what a file holds, or None where there is none. Raises `InputError` where it cannot be read."""
    try:
        return Kept.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path} does not hold what was tried of compiler options ({type(error).__name__}: {error}); delete it."
        ) from error


def keep(path: Path, facts: Mapping[str, Any], kept: Kept) -> None:
    """Write a file. Raises `InputError` where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps({"of": facts, **kept.as_json()}, indent=1, default=str))
    except OSError as error:
        raise InputError(
            f"What was tried of compiler options cannot be kept in {path.parent} ({error.strerror}); set "
            f"{CACHE_VARIABLE} to a folder that can be written, or leave tuned out of --executions."
        ) from error
