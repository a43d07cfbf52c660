#!/usr/bin/env bash
# torch 2.13.0 and pytest 9.2.0, seen on 2026-11-30 on an x86 CPU; torch 2.11.0 on an H200 fails likewise, in other words.
#
# Of two tests that have pytest's own fixture `pytester` and call torch.compile in their own process, the first passes and
# the second fails while PyTorch imports its compiler. The fixture takes note of which modules are imported and, when a
# test is over, makes the interpreter forget those that came since; torch imports its compiler at the first compilation, and
# that cannot be imported twice: a registration in its C++ library or in a table of its own is there already. One would
# expect a fixture to undo what the test did with it, and a module that is imported once more to work. Nothing of this is
# seen when a test is run alone, and the error names neither pytest nor the test before. Importing
# torch._inductor.compile_fx first does not help, for a compilation imports more; a compilation before both does.
#
# Output seen:
#   both tests: 1 failed, 1 passed; RuntimeError: Only a single TORCH_LIBRARY can be used to register the namespace
#   with a compilation before both: 2 passed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "torch==2.13.0" "pytest==9.2.0" numpy setuptools
cat > "$folder/test_twice.py" <<'P'
import os

import pytest
import torch

pytest_plugins = ["pytester"]
if os.environ.get("COMPILE_FIRST"):
    torch.compile(lambda values: values + 1)(torch.ones(3))


@pytest.mark.parametrize("number", [1, 2])
def test_compile(pytester, number):
    assert torch.compile(lambda values: values.sin() + number)(torch.ones(3)).shape == (3,)
P
run() { env -u PYTHONPATH "$@" "$folder/venv/bin/python" -m pytest -q -W ignore -p no:cacheprovider --rootdir="$folder" "$folder/test_twice.py" 2>&1 || true; }
both=$(run A=1)
error=$(grep -oE "(RuntimeError|AssertionError): [^(]*namespace|AssertionError: Artifact[^\n]*" <<< "$both" | head -1 || true)
summary=$(grep -oE "[0-9]+ failed, [0-9]+ passed|[0-9]+ passed" <<< "$both" | tail -1)
echo "both tests: $summary; ${error:0:80}"
before=$(run COMPILE_FIRST=1 | grep -oE "[0-9]+ failed, [0-9]+ passed|[0-9]+ passed" | tail -1)
echo "with a compilation before both: $before"
[ "$summary" = "1 failed, 1 passed" ] && [ "$before" = "2 passed" ] || { echo "pytester and torch.compile get on now"; exit 1; }
echo "as described"
