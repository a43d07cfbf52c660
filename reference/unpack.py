"""Unpack the reference's runs as plain files: `python -m reference.unpack [HOST …] [--to results/runs]`.

Every run is then a saved run as any other: `python -m analysis report results/runs/h100_99080df7/default/0001.json`.
A file that is there already and the same is left alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.errors import InputError
from core.files import write
from reference.archives.reading import ARCHIVES, files, hosts
from reference.archives.shared import is_same
from reference.commands import exit_code

#: Runs as plain files, a folder a host; git ignores it.
RUNS = ARCHIVES.parent / "runs"


def unpack(host: str, runs: Path, archives: Path = ARCHIVES) -> int:
    """Write a host's files into a folder of its name and return how many there are.

    Raises `InputError` where the archive cannot be read, or a file is there that differs from the archive's.
    """
    contents = files(host, archives)
    for name, content in contents.items():
        path = runs / host / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, content)
        elif not is_same(name, path.read_bytes(), content):
            raise InputError(
                f"{path} is there and differs from the archive's; expected the same or none. Move it away, or name "
                "another folder with --to."
            )
    return len(contents)


def main() -> int:
    """Unpack the hosts named, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference.unpack", description=(__doc__ or "").split(":")[0])
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=f"of {', '.join(hosts())} (default: all)")
    parser.add_argument("--to", type=Path, default=RUNS, metavar="FOLDER", help="default: results/runs")
    options = parser.parse_args()

    def work() -> None:
        for host in options.hosts or hosts():
            print(f"{options.to / host}: {unpack(host, options.to)} files")

    expected = "a folder and plain files in it. Move it away, or name another folder with --to."
    return exit_code(work, options.to, expected)


if __name__ == "__main__":
    sys.exit(main())
