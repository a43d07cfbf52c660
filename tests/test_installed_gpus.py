"""The GPUs of a machine where NVML does not answer, read from the device files."""

from __future__ import annotations

import os

import pytest

from fixtures.device import nvml
from fixtures.device.builds import Build
from fixtures.device.installed import InstalledGpu, gpus_of_device_files, installed_gpus
from fixtures.device.nvml import NvmlError
from fixtures.device.unusable import diagnosis
from tests.fake_nvml import fake_nvml
from tests.gpus import (
    CU126,
    PINNED,
    state,
)


def machine_of_files(tmp_path, *files: str) -> tuple:
    devices, driver = tmp_path / "dev", tmp_path / "nvidia"
    devices.mkdir()
    for file in files:
        (devices / file).touch()
    for number, bus in enumerate(("0000:07:00.0", "0000:0f:00.0")):
        folder = driver / "gpus" / bus
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA A100-SXM4-{40 * (number + 1)}GB\nIRQ:   \t\t 40\nDevice Minor: \t {number}\n"
        )
    (driver / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"
        "GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04)\n"
    )
    return devices, driver


def test_without_nvml_the_device_files_tell(tmp_path, monkeypatch):
    folders = machine_of_files(tmp_path, "nvidia1", "nvidia10", "nvidia-uvm", "nvidiactl")
    monkeypatch.setattr(nvml, "load_library", lambda: fake_nvml(nvmlInit=12))
    assert installed_gpus(*folders) == (
        InstalledGpu("NVIDIA A100-SXM4-80GB", None, "535.183.01"),
        InstalledGpu("NVIDIA GPU 10", None, "535.183.01"),
    )


def test_a_driver_of_open_kernel_modules_is_read(tmp_path):
    devices, driver = machine_of_files(tmp_path, "nvidia0")
    (driver / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root@runner)  Sun Jul 27\n"
    )
    assert gpus_of_device_files(devices, driver)[0].driver == "580.65.06"


def test_a_device_file_that_may_not_be_opened_is_an_obstacle_where_the_build_fits(tmp_path, monkeypatch):
    devices, driver = machine_of_files(tmp_path, "nvidia0")
    monkeypatch.setattr(os, "access", lambda file, mode: False)
    (gpu,) = gpus_of_device_files(devices, driver)
    assert diagnosis(gpu, PINNED, state()).reason.startswith("PyTorch 2.13.0+cu130 is built for CUDA 13.0")
    assert diagnosis(gpu, Build("2.13.0", "12.6", CU126), state()).sentence == (
        "NVIDIA A100-SXM4-40GB (compute capability unknown, driver 535.183.01) cannot be used: this user may not read "
        f"and write {devices / 'nvidia0'}; ask the administrator of this machine for it."
    )


def test_without_a_driver_and_without_device_files_there_is_no_gpu(tmp_path, monkeypatch):
    folders = machine_of_files(tmp_path)  # the host's driver shows in /proc, and no GPU was given to this container
    for code in (9, 12):
        monkeypatch.setattr(nvml, "load_library", lambda code=code: fake_nvml(nvmlInit=code))
        assert installed_gpus(*folders) == ()
    monkeypatch.setattr(nvml, "load_library", lambda: fake_nvml(nvmlInit=4))
    with pytest.raises(NvmlError, match="NVML_ERROR_NO_PERMISSION"):
        installed_gpus(*folders)
