"""What a run is of, for the top of a page: model, date, device, software, and the command that measured it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from analysis.comparison.comparability import COMMAND_KEY
from analysis.report.notices import SEEDED_WEIGHTS
from analysis.report.sentences import counted
from analysis.runs.saved import measured_at, short_commit
from core.metrics import lookup
from core.paths import without_home
from core.tasks import TaskWords

#: No path is below that.
NOWHERE = Path("/dev/null")


def model_name(words: TaskWords, extra_info: Mapping[str, Any]) -> str:
    """Return what a benchmark's model is called: the last part of its name; the task's own as everybody calls it."""
    named = lookup(extra_info, "provenance.model")
    if not isinstance(named, str) or not named.strip("/"):
        return words.model
    last = PurePath(named.removesuffix(f" with {SEEDED_WEIGHTS}").replace("\\", "/")).name
    return words.model if letters(last) == letters(words.model) else last


def letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case: gpt2 and GPT-2 are one."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def device_name(extra_info: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """Return the device that was measured: the board with its driver, or the CPU with the threads that computed."""
    gpu, threads = environment.get("gpu"), environment.get("torch_threads")
    if isinstance(gpu, Mapping):
        return f"{gpu.get('name')}, driver {gpu.get('driver')}"
    named = lookup(extra_info, "environment.device_name")
    of_cpu = f"CPU {named}" if isinstance(named, str) else "CPU"
    return f"{of_cpu}, {counted(threads, 'thread')}"


def without_paths(command: str) -> str:
    """Return a command without absolute paths, which runs of earlier versions have."""
    try:
        arguments = shlex.split(command)
    except ValueError:  # no command of a shell
        return command
    return shlex.join(without_home(argument, NOWHERE, NOWHERE) for argument in arguments)


def about(
    models: Iterable[str], extra_info: Mapping[str, Any], environment: Mapping[str, Any], shapes: Iterable[str]
) -> dict[str, str]:
    """Return what a run is of, by what it is; of an older run no command is known."""
    command = environment.get(COMMAND_KEY)
    versions = {"PyTorch": "torch", "transformers": "transformers", "Python": "python"}
    software = [f"{name} {environment[key]}" for name, key in versions.items() if environment.get(key)]
    return {
        "Model": ", ".join(models),
        "Device": device_name(extra_info, environment),
        "Measured": measured_at(environment) or "at an unknown time",
        "Batches": f"{', '.join(shapes)} tokens",
        "Software": ", ".join([*software, f"suite {short_commit(environment, 12)}"]),
        "Command": without_paths(command) if isinstance(command, str) else "not recorded",
    }
