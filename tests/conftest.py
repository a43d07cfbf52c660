"""A tiny dataset and a tiny model, and the suite run on them by a real pytest inside this one.

What is heavy is imported by the fixtures that need it: one light file of tests starts without it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.policies import EnergyPolicy


def load_hypothesis_profile() -> None:
    """Have no property-based test fail because the machine is slow; other health checks stay.

    Test modules read the profile when they are imported, with or without Hypothesis's plugin. In CI the profile that
    Hypothesis has for it is what this one changes: it draws the same examples each time.
    """
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "tests", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Turn warnings into errors, here alone: a library's deprecation must not cost a user the measurement."""
    load_hypothesis_profile()
    config.addinivalue_line("filterwarnings", "error")
    # pytest-benchmark tells its users by warnings, such as that there was nothing to save.
    config.addinivalue_line("filterwarnings", "default::pytest_benchmark.logger.PytestBenchmarkWarning")
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:  # threads of one worker that wait for a core which another holds make a forward ten times as slow
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
    # Runs inside a test inherit these from xdist, and pytest-benchmark times nothing where it finds them.
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]


@pytest.hookimpl(tryfirst=True)  # before pytest deselects what -m leaves out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count what needs a hub as slow, and run the slow first: in parallel, none is left for one worker at the end."""
    for item in items:
        if item.get_closest_marker("real_data"):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Exclude what the imports have left from every later collection of garbage: it is there to stay.

    Each pytest run inside a test collects when it ends. Hypothesis has been imported by now: it asks who refers to a
    generator of random numbers, and the frozen do not answer.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Keep the models' modules that a test has imported: pytester forgets them, transformers looks its classes' up."""
    imported = {name: module for name, module in sys.modules.items() if name.startswith("transformers.")}
    yield
    sys.modules.update((name, module) for name, module in imported.items() if name not in sys.modules)


@pytest.fixture
def tiny_dataset(tmp_path: Path) -> Path:
    """A folder in the original layout: only the seven metadata keys that others write."""
    from data_prep.layout import write_dataset
    from tests.support.tiny import ORIGINAL_METADATA, tiny_tensors

    folder = tmp_path / "dataset"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny GPT-2's checkpoint."""
    from tests.support.tiny import tiny_gpt2

    folder = tmp_path_factory.mktemp("model") / "tiny-gpt2"
    tiny_gpt2().save_pretrained(folder)
    return folder


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty folder that models and datasets are brought into and converted in."""
    from fixtures.models.checkpoint import find_checkpoint
    from fixtures.models.gguf_files import converted

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    for cached in (converted, find_checkpoint):  # by paths that are relative to this folder
        cached.cache_clear()


@pytest.fixture
def run_suite(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tiny_dataset: Path,
    tiny_model: Path,
    tmp_path: Path,
) -> Callable[..., pytest.RunResult]:
    """Run the benchmarks on the tiny dataset and model, on the CPU; options given come last and win.

    Exactly the rounds asked for run: what is read beside them is read before them, or a slow machine would run more
    meanwhile, unless `beside`. Pictures are drawn and not rendered unless they are asked for. Another `model` is
    measured in its own tokens.
    """
    from tests.support.quick_policies import QuickPolicies
    from tests.support.synchronous_threads import SynchronousThreads
    from tests.support.tiny import REPOSITORY

    def run(
        *options: str,
        files: tuple[str, ...] = ("",),
        emulated: bool = True,
        pictures: bool = False,
        plugins: Sequence[object] = (),
        in_process: bool = True,
        beside: bool = False,
        model: Path | None = None,
        **how: Any,
    ) -> pytest.RunResult:
        if not pictures:
            monkeypatch.setattr("analysis.report.plots.rendered", lambda figure, form: b"<svg/>")
        if not beside:
            monkeypatch.setattr("benchmarks.loop.threading", SynchronousThreads)
        start = pytester.runpytest_inprocess if in_process else pytester.runpytest_subprocess
        return start(
            *(REPOSITORY / "benchmarks" / file for file in files),
            f"--rootdir={REPOSITORY}",
            f"--config-file={REPOSITORY / 'pyproject.toml'}",
            "-pno:cacheprovider",
            "-pno:xdist",
            "-pno:hypothesispytest",
            *([f"--dataset-dir={tiny_dataset}"] if model is None else []),
            f"--model={model or tiny_model}",
            f"--results-dir={tmp_path / 'results'}",
            f"--benchmark-storage={tmp_path / 'saved'}",
            "--device=cpu",
            "--precisions=fp32,fp16,mixed",  # by default it would depend on the CPU
            "--visits=2",
            "--rounds=8",
            "--warmup-rounds=1",
            *(["--allow-emulated"] if emulated else []),
            *options,
            **({"plugins": [QuickPolicies(), *plugins]} if in_process else {}),
            **how,
        )

    return run


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave out what takes time and does not depend on the model.

    Pictures are of the figures alone; several threads gain nothing on tiny models, and wait for each other on a busy
    machine.
    """
    import torch

    monkeypatch.setattr("analysis.report.plots.write_plots", lambda *_: {})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def saved_run(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Read the one run that the suite has saved."""

    def read() -> dict[str, Any]:
        (path,) = (tmp_path / "saved").rglob("*.json")
        loaded: dict[str, Any] = json.loads(path.read_text())
        return loaded

    return read


@pytest.fixture
def quick_energy() -> Iterator[EnergyPolicy]:
    """Windows for a tick of 10 ms instead of 100; NVML is opened again."""
    from benchmarks.policies import CounterPolicy, EnergyPolicy, PowerPolicy
    from fixtures.device import nvml

    nvml.open_gpu.cache_clear()
    yield EnergyPolicy(
        counter=CounterPolicy(ticks=5, patience_s=0.1, early_s=0.004),
        instant=PowerPolicy(window_s=0.1, spacing_s=0.002, tick_period_s=0.01),
        average=PowerPolicy(window_s=0.3, spacing_s=0.002, settling_s=0.02, tick_period_s=0.01),
        idle_s=0.05,
        cross_check_s=0.05,
        largest_u95=0.5,
    )
    nvml.open_gpu.cache_clear()
