"""What the GPU's counters say of a case, on a simulated NVML: windows, shares of the device's limits, and refusals."""

from __future__ import annotations

import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from benchmarks.instruments.activity import instrument
from benchmarks.instruments.activity.instrument import Activity
from benchmarks.instruments.activity.loads import ROUND_S, Load, load_of, reading
from benchmarks.instruments.activity.window import window_beside
from benchmarks.policies import ActivityPolicy, Policies
from fixtures.device import nvml
from fixtures.device.gpm import GpmError, open_counters
from fixtures.device.nvml import Gpu, NvmlError
from fixtures.precisions import PRECISIONS
from tests.support.fake_gpm import CountedGpu
from tests.support.saved_runs import extra_info
from tests.support.shared_clock import SharedClock

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
POLICY = ActivityPolicy()


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> None:
    """Time passes where something sleeps."""
    SharedClock().install(monkeypatch)


def window(board: CountedGpu, loop, policy: ActivityPolicy = POLICY, round_s: float = 0.001):
    gpu = Gpu(board.library(), "handle")
    with open_counters(gpu) as counters:
        return window_beside(loop, gpu, counters, policy, round_s)


def test_a_window_has_the_shares_of_its_rounds_and_the_power_of_their_second():
    board = CountedGpu()
    found = window(board, board.loop(0.001, sm=0.4, tensor=0.05, hmma=0.04, memory=0.1))
    shown = {name: found.shares[name] for name in ("sm", "tensor", "hmma", "imma", "memory")}
    assert shown == pytest.approx({"sm": 0.4, "tensor": 0.05, "hmma": 0.04, "imma": 0.0, "memory": 0.1}, abs=0.01)
    assert found.seconds == pytest.approx(0.5, rel=0.01)
    assert found.rounds == pytest.approx(found.seconds / 0.001, rel=0.05)
    assert (found.memory_power_w.value, found.gpu_power_w.value) == (61, 290)
    assert board.freed == 2


def test_a_window_begins_half_a_second_after_its_load_and_lasts_half_a_second():
    """And the load has then run for longer than NVML's power is averaged over."""
    assert POLICY.settling_s >= 0.5
    assert POLICY.window_s >= 0.5
    assert POLICY.settling_s + POLICY.window_s > 1
    board = CountedGpu()
    loop = board.loop(0.01, sm=0.5, memory=0.5)
    started_s = time.perf_counter()
    window(board, loop)
    first_s, second_s = board.sampled_s
    assert first_s - started_s == pytest.approx(POLICY.settling_s, rel=0.01)
    assert second_s - first_s == pytest.approx(POLICY.window_s, rel=0.01)


def test_a_window_of_long_rounds_has_five_of_them():
    board = CountedGpu()
    found = window(board, board.loop(0.4, sm=0.5, memory=0.5), round_s=0.4)
    assert found.seconds == pytest.approx(5 * 0.4, rel=0.01)


def test_samples_that_are_too_close_are_an_error_though_nvml_says_that_all_went_well():
    board = CountedGpu()
    with pytest.raises(GpmError, match=r"sm 0\.0%.*memory nan%.* of a busy GPU; expected more than 0"):
        window(board, board.loop(0.001, sm=0.9, memory=0.9), ActivityPolicy(settling_s=0.1, window_s=0.02))
    assert board.freed == 2


@pytest.mark.parametrize("shares", [{"sm": 0.0, "memory": 0.5}, {"sm": 0.5, "memory": 0.0}])
def test_nothing_under_load_is_an_error(shares):
    board = CountedGpu()
    with pytest.raises(GpmError, match="expected more than 0 for sm and memory"):
        window(board, board.loop(0.001, **shares))


def test_a_unit_that_a_gpu_or_a_driver_does_not_know_is_left_out_and_what_decides_is_required():
    board = CountedGpu({"dmma": 3, "fp16": 2})
    found = window(board, board.loop(0.001, sm=0.5, memory=0.5))
    assert not {"dmma", "fp16"} & found.shares.keys()
    board = CountedGpu({"memory": 3})
    with pytest.raises(NvmlError, match="GPM metric 10: NVML_ERROR_NOT_SUPPORTED"):
        window(board, board.loop(0.001, sm=0.5, memory=0.5))
    assert board.freed == 2


class Session:
    """Cases on a simulated GPU: reading alone reaches 90% of its memory, a product 80% of its HMMA pipe."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, board: CountedGpu, **policy: object) -> None:
        self.board, self.loads = board, []
        self.instrument = Activity(Policies(activity=ActivityPolicy(read_bytes=4_000_000, **policy)))
        library = board.library()
        nvml.open_gpu.cache_clear()
        monkeypatch.setattr(nvml, "load_library", lambda: library)
        monkeypatch.setattr(nvml, "gpu_uuid", lambda device: "GPU-1")
        read = board.loop(0.01, sm=1.0, memory=0.9)
        multiply = board.loop(0.01, sm=1.0, memory=0.2, tensor=0.8, hmma=0.8)
        add = board.loop(0.01, sm=1.0, memory=0.2, fp32=0.9)
        monkeypatch.setattr(instrument, "reading", lambda *of: self.loaded("reading", read))
        monkeypatch.setattr(
            instrument, "products", lambda dtype, *of: self.loaded(dtype, add if dtype == torch.float32 else multiply)
        )

    def loaded(self, what: object, loop) -> Load:
        """Note that a load is made; its round of 10 ms does the thing 10 times."""
        self.loads.append(what)
        return Load(loop, 10, 0.001)

    def record(
        self,
        precision: str,
        energy: str = "auto",
        device: torch.device = CUDA,
        is_replayed: bool = True,
        **shares: float,
    ) -> dict:
        visits = [SimpleNamespace(latency=SimpleNamespace(median_ms=1.0))]
        case = SimpleNamespace(
            settings=SimpleNamespace(device=device, energy=energy),
            done=visits,
            precision=PRECISIONS[precision],
            is_replayed=is_replayed,
            phase=lambda _: nullcontext(),
        )
        after = SimpleNamespace(loop=self.board.loop(0.005, **shares))
        return self.instrument.measure(case, after).as_json()


def test_a_case_is_compared_with_reading_alone_and_with_a_large_product(monkeypatch):
    found = Session(monkeypatch, CountedGpu()).record("fp16", sm=0.39, memory=0.09, tensor=0.04, hmma=0.04)
    assert found["sm_share"] == pytest.approx(0.39, rel=0.02)
    assert (found["tensor_share"], found["memory_share"]) == (
        pytest.approx(0.04, rel=0.02),
        pytest.approx(0.09, rel=0.02),
    )
    assert found["memory_of_read"] == pytest.approx(0.1, rel=0.02)
    assert found["read_gb_per_s"] == pytest.approx(10 * 4e6 / 0.01 / 1e9, rel=0.02)  # 4 GB/s by the clock
    assert found["memory_gb_per_s"] == pytest.approx(0.4, rel=0.03)
    assert (found["tensor_pipe"], found["tensor_of_peak"]) == ("hmma", pytest.approx(0.05, rel=0.02))
    assert found["pipes"]["imma"] == 0
    assert (found["memory_power_w"], found["gpu_power_w"]) == (61, 290)
    assert found["window_s"] == pytest.approx(0.5, rel=0.01)
    assert found["rounds"] == pytest.approx(100, rel=0.05)
    reasons = [found[name] for name in found if name.endswith("reason")]
    assert reasons == [None] * 5


def test_loads_are_measured_once_in_a_session_and_products_once_in_a_format(monkeypatch):
    session = Session(monkeypatch, CountedGpu())
    for precision in ("fp32", "fp16", "mixed", "fp32", "bf16"):
        session.record(precision, sm=0.4, memory=0.1)
    assert session.loads == ["reading", torch.float32, torch.float16, torch.bfloat16]


def test_fp32_uses_no_tensor_pipe(monkeypatch):
    found = Session(monkeypatch, CountedGpu()).record("fp32", sm=0.9, memory=0.1, fp32=0.6)
    assert (found["tensor_pipe"], found["tensor_of_peak"]) == (None, None)
    assert found["tensor_reason"] == "products of this format use no tensor pipe"
    assert found["pipes"]["fp32"] == pytest.approx(0.6, rel=0.02)


def test_where_the_loads_cannot_be_read_the_case_has_its_own_shares(monkeypatch):
    session = Session(monkeypatch, CountedGpu())
    silent = session.board.loop(0.01)
    monkeypatch.setattr(instrument, "reading", lambda *of: Load(silent, 1, 0.01))
    found = session.record("fp16", sm=0.4, memory=0.1)
    assert found["sm_share"] == pytest.approx(0.4, rel=0.02)
    assert (found["memory_of_read"], found["memory_gb_per_s"], found["read_gb_per_s"]) == (None, None, None)
    assert "expected more than 0" in found["memory_reason"]


@pytest.mark.parametrize(
    ("board", "device", "reason"),
    [
        (CountedGpu(), CPU, "a CPU has no GPM counters"),
        (CountedGpu(supported=False), CUDA, "this GPU has no GPM counters; Hopper and newer ones have"),
        (CountedGpu(nvmlDeviceGetMigMode=lambda handle: (1, 1)), CUDA, "partitioned (MIG)"),
        (CountedGpu(nvmlGpmQueryDeviceSupport=3), CUDA, "nvmlGpmQueryDeviceSupport: NVML_ERROR_NOT_SUPPORTED"),
        (CountedGpu(nvmlGpmSampleGet=4), CUDA, "nvmlGpmSampleGet: NVML_ERROR_NO_PERMISSION"),
        (CountedGpu(nvmlInit=9), CUDA, "NVML_ERROR_DRIVER_NOT_LOADED"),
        (
            CountedGpu(nvmlDeviceGetComputeRunningProcesses=lambda h: [SimpleNamespace(pid=n) for n in (1, 2)]),
            CUDA,
            "1 other process(es) compute on this GPU",
        ),
    ],
)
def test_what_cannot_be_read_is_null_with_the_reason(monkeypatch, board, device, reason):
    session = Session(monkeypatch, board)
    found = session.record("fp16", device=device, sm=0.5, memory=0.5)
    assert reason in found.pop("reason")
    assert found.pop("pipes") == {}
    assert set(found.values()) == {None}
    assert session.loads == []


def test_no_counter_is_read_beside_eager_forwards(monkeypatch):
    session = Session(monkeypatch, CountedGpu())
    found = session.record("fp16", is_replayed=False, sm=0.5, memory=0.5)
    assert "replayed" in found["reason"]
    assert (found["sm_share"], session.loads) == (None, [])


def test_power_is_null_with_its_own_reason(monkeypatch):
    board = CountedGpu(nvmlDeviceGetFieldValues=lambda handle, fields: [SimpleNamespace(nvmlReturn=3) for _ in fields])
    found = Session(monkeypatch, board).record("fp16", sm=0.5, memory=0.5)
    assert (found["memory_power_w"], found["gpu_power_w"]) == (None, None)
    assert found["memory_power_reason"] == "field 185 of scope 2: NVML_ERROR_NOT_SUPPORTED"
    off = Session(monkeypatch, CountedGpu()).record("fp16", energy="off", sm=0.5, memory=0.5)
    assert (off["memory_power_w"], off["memory_power_reason"]) == (None, "switched off with --energy off")
    assert off["sm_share"] == pytest.approx(0.5, rel=0.02)


def test_a_load_repeats_its_call_until_a_round_is_long_enough(monkeypatch):
    calls = []
    monkeypatch.setattr("benchmarks.instruments.activity.loads.seconds_of", lambda run, timed_s: ROUND_S / 3.5)
    load = load_of(lambda: calls.append(1) or torch.zeros(1), CPU)
    load.loop.forward_and_wait()
    assert (load.repeats, len(calls)) == (4, 4)
    assert load.round_s == pytest.approx(4 / 3.5 * ROUND_S)


def test_reading_is_of_so_many_bytes(monkeypatch):
    monkeypatch.setattr("benchmarks.instruments.activity.loads.seconds_of", lambda run, timed_s: ROUND_S)
    monkeypatch.setattr(torch, "randn", lambda count, device: torch.full((count,), 2.0, device=device))
    assert float(reading(CPU, 4000).loop.forward_and_wait()) == 2.0 * 1000


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_shows_a_copy_as_its_clock_does(monkeypatch):
    """Both are memory traffic: twice the bytes of a copy over its time, against what reading alone shows."""
    monkeypatch.undo()
    gpu = nvml.open_gpu(torch.device("cuda", 0))
    source = torch.randn(2**28, device="cuda")
    target = torch.empty_like(source)
    loads = (load_of(lambda: target.copy_(source), CUDA), reading(CUDA, 2**30))
    rates = []
    for load, moved in zip(loads, (2 * source.nbytes, 2**30), strict=True):
        with open_counters(gpu) as counters:
            found = window_beside(load.loop, gpu, counters, POLICY, load.round_s)
        rates.append(found.rounds * load.repeats * moved / found.seconds / found.shares["memory"])
    assert rates[0] == pytest.approx(rates[1], rel=0.05)


def test_a_session_on_a_cpu_says_why_there_are_none(run_suite, saved_run, monkeypatch):
    monkeypatch.undo()
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    found = extra_info(saved_run(), "fp32-eager-b1x16")["activity"]
    assert (found["sm_share"], found["reason"]) == (None, "a CPU has no GPM counters")
