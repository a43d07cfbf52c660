"""GPUs that PyTorch cannot use are named, with the reason and the command, wherever the CPU is measured instead."""

from __future__ import annotations

import pytest
import torch

from analysis.report.summary import unusable_gpus as sentences_of_a_saved_run
from core.errors import InputError
from fixtures.device import nvml, unusable
from fixtures.device.builds import Build
from fixtures.device.installed import Obstacle
from fixtures.device.unusable import unusable_gpus
from fixtures.settings import parse_device
from tests.fake_nvml import fake_nvml, fake_nvml_of
from tests.gpus import (
    A100,
    NO_DEVICE,
    P100,
    PINNED,
    REINSTALL,
    V100,
    diagnosed,
)


def test_a_build_without_cuda_is_named():
    assert diagnosed(A100, "580.65.06", Build("2.13.0+cpu", None, ())).sentence == (
        "NVIDIA A100-SXM4-80GB (compute capability 8.0, driver 580.65.06) cannot be used: PyTorch 2.13.0+cpu is built "
        f"without CUDA; install a build for CUDA 13.0: `{REINSTALL}cu130`."
    )


def test_a_driver_that_is_too_old_is_named_with_the_one_that_is_needed():
    assert diagnosed(A100, "535.183.01").sentence == (
        "NVIDIA A100-SXM4-80GB (compute capability 8.0, driver 535.183.01) cannot be used: PyTorch 2.13.0+cu130 is "
        "built for CUDA 13.0, which needs driver 580 or newer; update the driver, or install a build for CUDA 12.6: "
        f"`{REINSTALL}cu126`."
    )


def test_kernels_that_are_missing_are_named_though_cuda_is_available():
    assert diagnosed(V100, "580.65.06", available=True).sentence == (
        "Tesla V100-SXM2-16GB (compute capability 7.0, driver 580.65.06) cannot be used: PyTorch 2.13.0+cu130 has no "
        "kernels for this compute capability (only for sm_75, sm_80, sm_86, sm_90, sm_100, sm_120, compute_120); "
        f"install a build for CUDA 12.6: `{REINSTALL}cu126`."
    )


def test_an_old_driver_and_missing_kernels_are_both_named_and_updating_the_driver_is_not_proposed():
    unusable_gpu = diagnosed(V100, "535.183.01", Build("2.6.0", "13.0", ()))
    assert unusable_gpu.reason == (
        "PyTorch 2.6.0 is built for CUDA 13.0, which needs driver 580 or newer, and has no kernels for this compute "
        "capability (CUDA 13.0 has none)"
    )
    assert unusable_gpu.remedy == f"install a build for CUDA 12.6: `{REINSTALL}cu126`"


def test_an_old_driver_is_no_fault_where_cuda_is_available():
    assert diagnosed(A100, "535.183.01", available=True) is None  # by the forward-compatibility package


def test_all_gpus_hidden_is_said_by_the_variable_and_without_a_command():
    hidden = diagnosed(A100, "580.65.06", visible="", error=NO_DEVICE)
    assert hidden.install is None
    assert hidden.sentence == (
        "NVIDIA A100-SXM4-80GB (compute capability 8.0, driver 580.65.06) cannot be used: CUDA_VISIBLE_DEVICES is '', "
        "which leaves PyTorch no GPU; unset it, or name this GPU in it."
    )


def test_some_gpus_hidden_is_a_choice_of_which_nothing_is_said():
    assert diagnosed(A100, "580.65.06", visible="1", available=True) is None


def test_a_variable_that_is_set_is_not_blamed_for_another_error():
    broken = diagnosed(A100, "580.65.06", visible="0", error="CUDA unknown error")
    assert broken.reason == "CUDA could not be initialized (CUDA unknown error)"
    old = diagnosed(A100, "535.183.01", visible="", error=NO_DEVICE)
    assert "needs driver 580" in old.reason
    assert "CUDA_VISIBLE_DEVICES" not in old.sentence


def test_an_obstacle_counts_where_cuda_lists_no_gpu():
    obstacle = Obstacle("it is locked", "unlock it")
    assert diagnosed(A100, "580.65.06", obstacle=obstacle).sentence.endswith("used: it is locked; unlock it.")
    assert diagnosed(A100, "580.65.06", obstacle=obstacle, available=True) is None


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with these GPUs, and a PyTorch built for CUDA 13.0; CUDA lists the capabilities in `listed`."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def set_up(library, listed: tuple[tuple[int, int], ...] = (), build: Build = PINNED) -> None:
        monkeypatch.setattr(nvml, "load_library", lambda: library)
        monkeypatch.setattr(torch.version, "cuda", build.cuda)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: list(build.architectures))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(listed))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(listed))
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: listed[index])
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")

    unusable_gpus.cache_clear()
    yield set_up
    unusable_gpus.cache_clear()


def test_the_first_gpu_with_kernels_is_measured(machine):
    machine(fake_nvml_of(P100, A100, driver="580.65.06"), listed=((6, 0), (8, 0)))
    assert str(parse_device("auto")) == str(parse_device("cuda")) == str(parse_device("cuda:1")) == "cuda:1"
    with pytest.raises(InputError, match=r"--device is 'cuda:0', but Tesla P100-PCIE-16GB .* has no kernels"):
        parse_device("cuda:0")
    with pytest.raises(InputError, match=r"--device is 'cuda:2', but PyTorch .* finds 2 CUDA device\(s\) here; "):
        parse_device("cuda:2")
    facts = unusable_gpus().as_facts()
    assert [gpu["name"] for gpu in facts["unusable_gpus"]] == [P100[0]]
    assert sentences_of_a_saved_run({"device": "cuda:1", **facts}) == []  # the GPU that is measured is named instead


def test_a_gpu_without_kernels_is_not_measured_though_cuda_is_available(machine):
    machine(fake_nvml_of(V100, driver="580.65.06"), listed=((7, 0),))
    assert str(parse_device("auto")) == "cpu"
    with pytest.raises(InputError, match=r"--device is 'cuda', but Tesla V100-SXM2-16GB .* has no kernels"):
        parse_device("cuda")


def test_where_nvml_is_missing_pytorch_names_the_gpus_that_it_lists(machine):
    machine(fake_nvml(nvmlInit=12), listed=((7, 0), (8, 0)))
    (gpu,) = unusable_gpus().gpus
    assert (gpu.name, gpu.capability, gpu.driver, gpu.install) == ("GPU 0", "7.0", None, None)


def test_a_gpu_that_can_be_used_is_not_listed(machine):
    machine(fake_nvml_of(A100, driver="580.65.06"), listed=((8, 0),))
    assert str(parse_device("auto")) == "cuda:0"
    assert unusable_gpus().as_facts() == {"unusable_gpus": [], "unusable_gpus_reason": None}


def test_a_machine_without_gpu_has_none_and_says_nothing(machine):
    machine(fake_nvml(nvmlInit=12))
    assert unusable_gpus().as_facts() == {"unusable_gpus": [], "unusable_gpus_reason": None}
    assert str(parse_device("auto")) == "cpu"
    with pytest.raises(InputError, match=r"finds 0 CUDA device\(s\) here; expected --device cpu\."):
        parse_device("cuda")


def test_what_could_not_be_determined_is_null_with_a_reason(machine):
    machine(fake_nvml_of(A100, driver="580.65.06", nvmlDeviceGetHandleByIndex=15))
    assert unusable_gpus().as_facts() == {
        "unusable_gpus": None,
        "unusable_gpus_reason": (
            "NVML does not list the GPUs of this machine (nvmlDeviceGetHandleByIndex: NVML_ERROR_GPU_IS_LOST)"
        ),
    }


def test_a_gpu_split_by_mig_is_said_where_cuda_lists_none_of_its_instances(machine):
    library = fake_nvml_of(A100, driver="580.65.06", nvmlDeviceGetMigMode=lambda handle: (1, 1))
    machine(library)
    (sentence,) = unusable_gpus().sentences
    assert "it is split by MIG and PyTorch is given none of its instances; name one that `nvidia-smi -L`" in sentence
    unusable_gpus.cache_clear()
    machine(library, listed=((8, 0),))
    assert unusable_gpus().gpus == ()


def test_several_gpus_of_a_kind_are_recorded_one_by_one_and_said_once(machine):
    machine(fake_nvml_of(*[A100] * 8, driver="535.183.01"))
    assert len(unusable_gpus().gpus) == 8
    assert len(unusable_gpus().sentences) == 1
    with pytest.raises(InputError) as caught:
        parse_device("cuda:3")
    assert str(caught.value).count("cannot be used") == 1


def test_a_build_for_another_vendor_that_uses_its_gpu_says_nothing_of_nvidia(machine):
    machine(fake_nvml_of(A100, driver="535.183.01"), listed=((9, 0),), build=Build("2.13.0+rocm", None, ("gfx90a",)))
    assert unusable_gpus().gpus == ()
    assert str(parse_device("auto")) == "cuda:0"


def test_the_first_line_of_what_cuda_says_is_the_reason(machine, monkeypatch):
    def init() -> None:
        raise RuntimeError("CUDA unknown error - this may be due to an environment.\nSetting the available devices")

    machine(fake_nvml_of(A100, driver="580.65.06"))
    monkeypatch.setattr(torch.cuda, "init", init)
    (gpu,) = unusable_gpus().gpus
    assert gpu.reason == "CUDA could not be initialized (CUDA unknown error - this may be due to an environment)"
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert unusable.initialization_error() == "it gives no reason"


def test_a_run_of_the_cpu_beside_an_unusable_gpu_says_so_everywhere(run_suite, saved_run, machine, tmp_path):
    machine(fake_nvml_of(A100, driver="535.183.01"))
    result = run_suite("--device=auto", "--precisions=fp32", "--benchmark-autosave")
    assert result.ret == 0
    version = torch.__version__
    sentence = (
        f"NVIDIA A100-SXM4-80GB (compute capability 8.0, driver 535.183.01) cannot be used: PyTorch {version} is built "
        "for CUDA 13.0, which needs driver 580 or newer; update the driver, or install a build for CUDA 12.6: "
        f"`{REINSTALL}cu126`."
    )
    assert result.outlines.count(f"warning: {sentence}") == 2
    places = [number for number, line in enumerate(result.outlines) if line == f"warning: {sentence}"]
    (model,) = [number for number, line in enumerate(result.outlines) if line.startswith("model: ")]
    (section,) = [number for number, line in enumerate(result.outlines) if "= GPT-2 precision benchmark =" in line]
    assert places[0] == model + 1
    assert places[1] > section
    assert f"- {sentence}\n" in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    page = (tmp_path / "results" / "report.html").read_text()
    assert "driver 535.183.01) cannot be used: PyTorch" in page
    saved = saved_run()["machine_info"]
    assert saved["device"] == "cpu"
    assert saved["unusable_gpus_reason"] is None
    assert saved["unusable_gpus"] == [
        {
            "name": "NVIDIA A100-SXM4-80GB",
            "capability": "8.0",
            "driver": "535.183.01",
            "reason": f"PyTorch {version} is built for CUDA 13.0, which needs driver 580 or newer",
            "remedy": f"update the driver, or install a build for CUDA 12.6: `{REINSTALL}cu126`",
            "install": f"{REINSTALL}cu126",
            "sentence": sentence,
        }
    ]


def test_asking_for_an_unusable_gpu_is_a_usage_error_of_one_sentence(run_suite, machine):
    machine(fake_nvml_of(A100, driver="535.183.01"))
    result = run_suite("--device=cuda")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line == f"ERROR: --device is 'cuda', but {unusable_gpus().sentences[0]}"


def test_a_saved_run_that_holds_anything_else_says_nothing():
    for odd in (None, "x", 3, [3, None, {"sentence": 3}, {}]):
        assert sentences_of_a_saved_run({"device": "cpu", "unusable_gpus": odd}) == []
