"""Which build of PyTorch has kernels for a GPU and runs on its driver, and which one is proposed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.device.builds import Build, Wheels, runs_on_driver, serves
from tests.gpus import (
    A100,
    B200,
    CU126,
    CU128,
    H100,
    K80,
    P100,
    PINNED,
    REINSTALL,
    T4G,
    V100,
    diagnosed,
)


@pytest.mark.parametrize(
    ("architecture", "capability", "expected"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 6), True),
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_90", (8, 0), False),
        ("sm_100", (10, 3), True),
        ("sm_100", (1, 0), False),
        ("sm_120", (12, 1), True),
        ("compute_80", (9, 0), True),
        ("compute_80", (12, 0), True),
        ("compute_90", (8, 9), False),
        ("sm_90a", (9, 0), True),
        ("sm_90a", (9, 1), False),
        ("compute_90a", (10, 0), False),
        ("sm_100f", (10, 3), True),
        ("compute_100f", (12, 0), False),
        ("sm_80", (8, 7), False),
        ("sm_87", (8, 7), True),
        ("sm_87", (8, 9), False),
        ("compute_80", (8, 7), True),
        ("gfx90a", (9, 0), False),
        ("sm_", (0, 0), False),
    ],
)
def test_machine_code_serves_its_major_capability_and_ptx_every_newer_one(architecture, capability, expected):
    assert serves(architecture, capability) is expected


@given(
    st.text() | st.from_regex(r"(sm|compute)_\d{2,3}[af]?", fullmatch=True),
    st.tuples(st.integers(1, 12), st.integers(0, 9)),
)
def test_whatever_an_architecture_is_called_it_serves_no_older_gpu(architecture, capability):
    if serves(architecture, capability):
        digits = re.sub(r"\D", "", architecture)
        assert (int(digits[:-1]), int(digits[-1])) <= capability


@pytest.mark.parametrize(
    ("cuda", "driver", "expected"),
    [
        ("13.0", "580.65.06", True),
        ("13.2", "580", True),
        ("13.0", "575.57.08", False),
        ("13.0", "535.183.01", False),
        ("12.8", "535.183.01", True),
        ("12.6", "525.60.13", True),
        ("12.6", "520.61.05", False),
        ("11.8", "450.80.02", True),
        ("11.8", "450.36.06", False),
        ("14.0", "1.0", True),  # nothing is known of it
    ],
)
def test_a_driver_runs_every_release_of_the_major_versions_it_is_new_enough_for(cuda, driver, expected):
    assert runs_on_driver(cuda, driver) is expected


@pytest.mark.parametrize(
    ("build", "capability", "expected"),
    [
        (PINNED, (8, 9), True),
        (PINNED, (7, 0), False),
        (PINNED, (12, 1), True),
        (Build("2.10.0", "12.8", CU128), (6, 1), False),
        (Build("2.10.0", "12.8", CU128), (7, 0), True),
        (Build("2.13.0", "12.6", CU126), (6, 1), True),
        (Build("2.13.0", "12.6", CU126), (10, 0), False),
        (Build("2.6.0", "13.0", ()), (7, 0), False),
        (Build("2.6.0", "13.0", ()), (7, 5), True),
        (Build("2.6.0", "12.4", ()), (7, 0), True),
    ],
)
def test_a_build_has_kernels_for_what_it_was_compiled_for(build, capability, expected):
    assert build.has_kernels(capability) is expected


@pytest.mark.parametrize(
    ("gpu", "driver", "machine", "index"),
    [
        (A100, "535.183.01", "x86_64", "cu126"),
        (A100, "580.65.06", "x86_64", "cu130"),
        (H100, "535.183.01", "x86_64", "cu126"),
        (H100, "520.61.05", "x86_64", "cu118"),
        (V100, "580.65.06", "x86_64", "cu126"),
        (P100, "470.82.01", "x86_64", "cu118"),
        (B200, "570.86.15", "x86_64", "cu128"),
        (B200, "580.65.06", "x86_64", "cu130"),
        (H100, "535.183.01", "aarch64", "cu126"),
        (("NVIDIA Thor", (11, 0)), "580.65.06", "aarch64", "cu130"),
    ],
)
def test_the_build_that_is_proposed_has_kernels_and_runs_on_the_driver(gpu, driver, machine, index):
    unusable_gpu = diagnosed(gpu, driver, Build("2.13.0+cpu", None, ()), machine=machine)
    assert unusable_gpu.install == REINSTALL + index
    assert unusable_gpu.remedy == f"install a build for CUDA {index[2:4]}.{index[4]}: `{REINSTALL}{index}`"


@pytest.mark.parametrize(
    ("gpu", "driver", "machine", "remedy"),
    [
        (A100, "440.33.01", "x86_64", "update the driver to 580 or newer"),
        (P100, "440.33.01", "x86_64", "update the driver to 525 or newer"),
        (A100, None, "x86_64", "install a build that fits its compute capability and driver, see https://pytorch.org/"),
        (("NVIDIA GPU 0", None), "535.1", "x86_64", "install a build that fits its compute capability and driver, see"),
        (K80, "470.82.01", "x86_64", "no build of PyTorch 2.6 or newer has kernels for it: measure another GPU"),
        (T4G, "580.65.06", "aarch64", "no build of PyTorch 2.6 or newer has kernels for it: measure another GPU"),
    ],
)
def test_where_no_build_is_known_to_fit_no_command_is_made_up(gpu, driver, machine, remedy):
    unusable_gpu = diagnosed(gpu, driver, Build("2.13.0+cpu", None, ()), machine=machine)
    assert unusable_gpu.install is None
    assert unusable_gpu.remedy.startswith(remedy)


def test_every_index_is_named_after_its_cuda_version():
    assert Wheels("12.6", (), ()).install_command == f"{REINSTALL}cu126"
