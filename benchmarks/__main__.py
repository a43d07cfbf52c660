"""The whole measurement several times, each in a fresh process: `python -m benchmarks --repeats 5 [pytest options]`."""

from __future__ import annotations

import argparse
import subprocess
import sys


def main() -> int:
    """Run pytest on the benchmarks `--repeats` times, saving each run; stop at the first that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure several times in fresh processes and save each run; every other option goes to pytest.",
        epilog="`python -m analysis noise` then shows how much the runs differ.",
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="runs (default: %(default)s)")
    options, pytest_options = parser.parse_known_args()
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; expected 1 or more")
    for number in range(1, options.repeats + 1):
        print(f"run {number} of {options.repeats}", flush=True)
        command = [sys.executable, "-m", "pytest", "benchmarks", "--benchmark-autosave", *pytest_options]
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
