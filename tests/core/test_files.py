"""Files that nobody ever reads half of."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.files import write


def test_text_and_bytes_are_written_and_nothing_unfinished_is_left(tmp_path):
    assert write(tmp_path / "a", "ü").read_bytes() == b"\xc3\xbc"
    assert write(tmp_path / "a", b"\x00\r\n").read_bytes() == b"\x00\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch, step):
    write(tmp_path / "a", "old")
    original = Path.write_bytes

    def full(path: Path, *arguments: object) -> None:
        original(path, b"ha")  # half of it
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a", "hale and whole")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
