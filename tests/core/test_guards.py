"""Limits on what others may have written: exactly at a limit passes, the next step does not."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.guards import (
    COUNT_KEYS,
    LIMITS,
    archive_fault,
    finite_number,
    is_name,
    nesting_levels,
    require_harmless_config,
    sanitized,
)
from fixtures.dataset.folder import is_dense
from tests.support.json_values import json_values
from tests.support.tiny import REPOSITORY


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"key": value}
    return value


def test_the_module_does_not_load_torch():
    code = "import sys, core.guards; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@given(st.integers(0, 60))
def test_json_is_accepted_up_to_the_limit_of_levels(levels):
    assert nesting_levels(nested(levels)) == levels
    if levels <= LIMITS.json_levels:
        assert sanitized(nested(levels)) == nested(levels)
    else:
        with pytest.raises(ValueError, match="nested in more than 32 levels"):
            sanitized(nested(levels))


def test_many_values_side_by_side_are_one_level():
    assert nesting_levels([[1, 2], 3, {"a": 4, "b": [5]}]) == 3


@given(json_values)
def test_what_is_sanitized_holds_no_control_character_and_is_sanitized_already(value):
    text = json.dumps(sanitized(value), ensure_ascii=False)
    assert text.isprintable()
    assert str(sanitized(sanitized(value))) == str(sanitized(value))


def test_keys_are_sanitized_and_every_text_is_one_line():
    assert sanitized({"\x1b[2J": ["a\nb\tc\x9b", 1.5, None, True]}) == {"\ufffd[2J": ["a b c\ufffd", 1.5, None, True]}


def test_text_ends_after_1000_characters():
    assert sanitized(["a" * 1_000, "b" * 1_001]) == ["a" * 1_000, "b" * 1_000 + "…"]


@pytest.mark.parametrize("value", ["\ud800", ["a", {"b": "\udfff"}], {"\ud800": 1}])
def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(value):
    with pytest.raises(UnicodeEncodeError):
        sanitized(value)
    assert sanitized({"a": ["\U0001f600", 1]}) == {"a": ["\U0001f600", 1]}


@pytest.mark.parametrize("value", [0, 0.0, -1, 1e-50, -1e-50, 1e50, -1e50, 123])
def test_plausible_numbers(value):
    assert finite_number(value) is value


@pytest.mark.parametrize(
    "value", [9.9e-51, 1.1e50, -1.1e50, 10**51, math.nan, math.inf, -math.inf, True, False, "1", None, [1]]
)
def test_what_is_not_a_plausible_number(value):
    assert finite_number(value) is None


def test_the_largest_logarithm_is_that_of_a_finite_float():
    assert math.isfinite(math.exp(LIMITS.largest_logarithm))
    with pytest.raises(OverflowError):
        math.exp(LIMITS.largest_logarithm + 1)


def test_names_are_one_line_of_1_to_200_printable_characters():
    assert is_name("a")
    assert is_name("模" * 200)
    for value in ("", "a" * 201, "a\nb", "a\x1b", "\u202e", 3, None):
        assert not is_name(value)


def test_archives_are_stored_and_whole(tmp_path):
    path = tmp_path / "a.pt"
    torch.save(torch.arange(64), path)
    assert archive_fault(path) is None
    content = bytearray(path.read_bytes())
    position = content.index(torch.arange(64).numpy().tobytes())
    content[position + 8] ^= 1
    path.write_bytes(content)
    assert "damaged, the checksum of" in str(archive_fault(path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.pkl", b"0" * 1_000_000)
    assert "compressed (data.pkl, 1,000,000 bytes)" in str(archive_fault(path))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("\x1b[2J\nAll 18 checks passed", b"0")
    assert "compressed (\ufffd[2J All 18 checks passed, 1 bytes)" in str(archive_fault(path))
    path.write_bytes(b"not a zip archive")
    assert archive_fault(path) is None


def test_dense_tensors_have_memory_for_every_element():
    dense = torch.arange(6).reshape(2, 3)
    assert is_dense(dense)
    assert is_dense(dense.T)
    for tensor in (dense.to_sparse(), torch.zeros(1).expand(1_000), torch.zeros(3, device="meta")):
        assert not is_dense(tensor)


@pytest.mark.parametrize("key", COUNT_KEYS)
def test_a_model_has_as_many_layers_as_the_limit_and_no_more(key):
    require_harmless_config("m", {key: LIMITS.model_layers})
    require_harmless_config("m", {key: None})
    with pytest.raises(InputError, match=f"the model m says {key} 1001; expected 1,000 at most"):
        require_harmless_config("m", {key: LIMITS.model_layers + 1})


def test_attention_is_named_and_not_fetched():
    require_harmless_config("m", {"_attn_implementation": "sdpa", "attn_implementation": None})
    with pytest.raises(InputError, match="code on the hub, which is not run"):
        require_harmless_config("m", {"attn_implementation": "somebody/kernel"})
