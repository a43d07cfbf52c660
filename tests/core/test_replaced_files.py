"""All files of a kind in a folder are replaced, or none; no other file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.folders import UNFINISHED, prefix, replaced_files


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_take_the_place_of_all_that_were_written_before_and_of_no_other(tmp_path):
    (tmp_path / "kept.svg").write_text("somebody's")
    for names in (("page.html", "perplexity.svg"), ("page.html", "accuracy.svg")):
        with replaced_files(tmp_path, ".written") as unfinished:
            for name in names:
                (unfinished / name).write_text(str(names))
        assert {path.name for path in tmp_path.iterdir()} == {"kept.svg", ".written", *names}
        assert (tmp_path / "page.html").read_text() == str(names)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_files_that_could_not_all_be_written_leave_those_of_before(tmp_path, error):
    with replaced_files(tmp_path, ".written") as unfinished:
        (unfinished / "page.html").write_text("old")
    before = contents(tmp_path)

    def fail(unfinished: Path) -> None:
        (unfinished / "page.html").write_text("new")
        raise error

    with pytest.raises(error), replaced_files(tmp_path, ".written") as unfinished:
        fail(unfinished)
    assert contents(tmp_path) == before


def test_what_a_process_that_was_killed_has_left_of_its_files_is_cleared_away(tmp_path):
    left = tmp_path / f"{prefix(tmp_path / '.written', UNFINISHED)}{2**22 + 1}"
    left.mkdir()
    (left / "page.html").touch()
    with replaced_files(tmp_path, ".written"):
        pass
    assert not left.exists()


@pytest.mark.parametrize("listed", ["../mine.txt\n", "folder\n", "/etc/passwd\n..\n.\n\n", b"\xff", None])
def test_a_manifest_names_files_beside_it_alone(tmp_path, listed):
    place = tmp_path / "results"
    (place / "folder").mkdir(parents=True)
    (tmp_path / "mine.txt").touch()
    if listed is not None:
        (place / ".written").write_bytes(listed if isinstance(listed, bytes) else listed.encode())
    with replaced_files(place, ".written"):
        pass
    assert (tmp_path / "mine.txt").exists()
    assert (place / "folder").exists()
