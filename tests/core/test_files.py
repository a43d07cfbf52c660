"""Files that nobody ever reads half of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.files import read_regular, write


def test_text_and_bytes_are_written_and_nothing_unfinished_is_left(tmp_path):
    assert write(tmp_path / "a", "ü").read_bytes() == b"\xc3\xbc"
    assert write(tmp_path / "a", b"\x00\r\n").read_bytes() == b"\x00\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_regular_files_and_links_to_them_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"\x00\xff")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_regular(tmp_path / "a") == read_regular(tmp_path / "link") == b"\x00\xff"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_may_have_no_end_is_not_read(tmp_path, kind):
    path = tmp_path / "a"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path)
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(path)


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
