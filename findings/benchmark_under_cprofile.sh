#!/usr/bin/env bash
# pytest-benchmark 5.3.1 and pytest 9.2.0, seen on 2026-12-01 on CPython 3.11.
#
# A benchmark that passes fails as soon as the whole run is profiled by the standard library's cProfile. While it times,
# pytest-benchmark takes tracers and profilers off, and puts back what `sys.getprofile` gave it by `sys.setprofile`. For
# cProfile that is the profiler itself, which is an object with `enable` and no function: the interpreter takes it without
# a word and calls it at the next event, which raises where nobody looks for it, far from either call. One would expect
# `sys.setprofile(sys.getprofile())` to change nothing, as it does for tracers written in Python and for coverage's.
#
# Output seen:
#   alone: 1 passed
#   under cProfile: 1 failed; TypeError: 'Profile' object is not callable
#   without pytest: TypeError: 'Profile' object is not callable
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pytest-benchmark==5.3.1" "pytest==9.2.0"
cat > "$folder/test_sum.py" <<'P'
def test_sum(benchmark):
    assert benchmark(sum, [1, 2]) == 3
P
cat > "$folder/put_back.py" <<'P'
import cProfile
import sys

profiler = cProfile.Profile()
profiler.enable()
try:
    sys.setprofile(sys.getprofile())
    len("abc")
except TypeError as error:
    sys.setprofile(None)
    print(f"TypeError: {error}")
P
run() { (cd "$folder" && env -u PYTHONPATH venv/bin/python "$@" -m pytest -q -p no:cacheprovider --rootdir=. test_sum.py 2>&1 || true); }
outcome() { grep -oE "[0-9]+ (passed|failed)" <<< "$1" | tail -1; }
alone=$(outcome "$(run)")
profiled=$(run -m cProfile -o "$folder/out.prof")
error=$(grep -oE "TypeError: 'Profile' object is not callable" <<< "$profiled" | head -1 || true)
echo "alone: $alone"
echo "under cProfile: $(outcome "$profiled"); $error"
plain=$(env -u PYTHONPATH "$folder/venv/bin/python" "$folder/put_back.py" 2>&1 | tail -1)
echo "without pytest: $plain"
[ "$alone" = "1 passed" ] && [ "$(outcome "$profiled")" = "1 failed" ] && [ "$plain" = "$error" ] && [ -n "$error" ] ||
    { echo "a profiler is put back as it was now"; exit 1; }
echo "as described"
