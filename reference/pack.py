"""Make archives of folders with runs: `python -m reference.pack results/runs/HOST …`.

An archive holds exactly the files of its folder: `python -m reference.unpack HOST` brings those of the archive that
there is. `results/reference/SHA256SUMS` gets its digest.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from reference.archives.reading import ARCHIVES
from reference.archives.writing import pack
from reference.commands import exit_code


def main() -> int:
    """Pack the folders named; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m reference.pack", description=(__doc__ or "").split(":")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="of one host each, with its name")
    parser.add_argument(
        "--reference", type=Path, default=ARCHIVES, help="where archives are (default: results/reference)"
    )
    options = parser.parse_args()

    def work() -> None:
        for folder in options.folders:
            path = pack(folder.resolve(), options.reference)
            print(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB)")

    expected = "a host's folder and one for archives. Name another for archives with --reference."
    return exit_code(work, options.reference, expected)


if __name__ == "__main__":
    sys.exit(main())
