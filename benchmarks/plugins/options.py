"""Judges options before PyTorch is imported, which takes seconds: a mistake is answered at once."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from analysis.comparison.gates import parse_gate
from core.errors import InputError
from fixtures.option_checks import require_options


def saving_places(config: pytest.Config) -> dict[str, Path]:
    """Return the folders on this machine that pytest-benchmark will save the run to, by the option that names each."""
    options, places = config.option, {}
    storage = str(options.benchmark_storage).removeprefix("file://")
    if (options.benchmark_autosave or options.benchmark_save) and "://" not in storage:
        places["--benchmark-storage"] = Path(storage)
    if options.benchmark_json:
        places["--benchmark-json"] = Path(options.benchmark_json).parent
    return places


def require_writable(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` unless every output folder can be written: better now than after the measurement."""
    places = {"--results-dir": config.option.results_dir, **saving_places(config)}
    for option, folder in places.items():
        probe = folder / f".writable-{os.getpid()}"
        try:
            if option == "--benchmark-json" and config.option.benchmark_json.exists():
                require_writable_file(config.option.benchmark_json)
                continue
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise pytest.UsageError(
                f"The folder {folder} cannot be written ({error.strerror}); choose another with {option}."
            ) from error


def require_writable_file(path: Path) -> None:
    """Raise `pytest.UsageError` where what --benchmark-json names, and is there, cannot be written.

    It may be a device or a pipe, such as /dev/stdout, in whose folder no file can be made.
    """
    if path.is_dir() or not os.access(path, os.W_OK):
        kind = "is a folder" if path.is_dir() else "cannot be written"
        raise pytest.UsageError(f"--benchmark-json names {path}, which {kind}; expected a file that can be written.")


def require_pytest_benchmark(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` where pytest-benchmark is switched off, as pytest-codspeed does."""
    if any(map(config.pluginmanager.is_blocked, ("benchmark", "pytest-benchmark"))):
        raise pytest.UsageError(
            "pytest-benchmark, which holds what is measured here, is switched off by --codspeed, CODSPEED_ENV or -p "
            "no:benchmark; leave that out."
        )


def require_limits(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` where a limit cannot be read, or there is nothing to compare with.

    Which metrics there are is told by the instruments and tasks, which take PyTorch.
    """
    try:
        for expression in config.option.metric_fail:
            parse_gate(expression)
    except InputError as error:
        raise pytest.UsageError(f"--metric-fail: {error}") from error
    named = {"--metric-fail": "metric_fail", "--benchmark-compare-fail": "benchmark_compare_fail"}
    limits = [option for option, name in named.items() if getattr(config.option, name)]
    if limits and not config.option.benchmark_compare:
        raise pytest.UsageError(f"{limits[0]} needs a saved run to compare with; add --benchmark-compare.")


def require_histogram(config: pytest.Config) -> None:
    """Raise `pytest.UsageError` where a histogram is asked for and the packages that draw it are not installed."""
    missing = [name for name in ("pygal", "pygaljs") if find_spec(name) is None]
    if config.option.benchmark_histogram and missing:
        raise pytest.UsageError(
            f"--benchmark-histogram needs {' and '.join(missing)}, not installed for {sys.executable}; expected them. "
            "Install them with `python -m pip install 'pytest-benchmark[histogram]'`, or leave the option out."
        )


def pytest_configure(config: pytest.Config) -> None:
    """Judge the options."""
    require_pytest_benchmark(config)
    try:
        require_options(config.option)
    except InputError as error:
        raise pytest.UsageError(str(error)) from error
    require_limits(config)
    require_histogram(config)
    require_writable(config)
