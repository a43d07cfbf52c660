"""The key of a machine: the same on the same one, another on another, and not its number."""

from __future__ import annotations

import json

import pytest

from analysis.uncertainty.conditions import host_name
from benchmarks.machine.identity import machine_key

NUMBER = "4c4c4544-0042-3510-8051-b7c04f4d5932"


@pytest.fixture
def numbers(tmp_path):
    """Three places for a number, of which a machine may have any."""
    return tuple(tmp_path / name for name in ("product_uuid", "machine-id", "boot_id"))


def test_a_machine_has_the_same_key_and_another_one_another(numbers):
    numbers[1].write_text(f"{NUMBER}\n")
    key = machine_key("Xeon", numbers)
    assert len(key) == 16
    machine_key.cache_clear()
    assert machine_key("Xeon", numbers) == key
    assert machine_key("EPYC", numbers) != key  # the installation moved
    machine_key.cache_clear()
    numbers[1].write_text(NUMBER.replace("2", "3"))
    assert machine_key("Xeon", numbers) != key


def test_the_best_number_that_can_be_read_is_taken_and_the_start_of_the_machine_where_there_is_no_other(numbers):
    board, installation, start = numbers
    keys = []
    for path, content in (
        (start, "1-2"),
        (installation, "uninitialized"),
        (installation, "3-4"),
        (board, "0000-00"),
        (board, "5-6"),
    ):
        path.write_text(content)
        machine_key.cache_clear()
        keys.append(machine_key("Xeon", numbers))
    assert keys[0] == keys[1]  # an image that was never started
    assert keys[2] == keys[3]  # a board without a number has zeros
    assert len(set(keys)) == 3
    machine_key.cache_clear()
    assert machine_key("Xeon", ()) is None


def test_no_number_is_in_a_key_or_in_a_saved_run(numbers, run_suite, saved_run, monkeypatch):
    numbers[0].write_text(NUMBER)
    machine_key.cache_clear()
    monkeypatch.setattr("benchmarks.machine.environment.machine_key", lambda cpu: machine_key(cpu, numbers))
    assert run_suite("--benchmark-autosave", "--precisions=fp32").ret == 0
    text = json.dumps(saved_run()).lower()
    (key,) = {item["extra_info"]["environment"]["machine_key"] for item in saved_run()["benchmarks"]}
    assert key in text
    assert not any(part in text for part in (NUMBER, NUMBER.replace("-", "")))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"cpu_model": "Xeon", "machine_key": "ab12"}, "vm, Xeon, ab12"),
        ({"cpu_model": "Xeon", "machine_key": "ab12", "device_uuid": "GPU-1"}, "vm, Xeon, GPU-1"),
        ({"cpu_model": "Xeon"}, "vm, Xeon"),  # a run before there were keys
    ],
)
def test_a_floor_of_a_cpu_belongs_to_one_machine(facts, expected):
    assert host_name("vm", facts) == expected
