#!/usr/bin/env bash
# pytest-benchmark 5.3.1 and pytest 9.2.0, seen on 2026-12-01 on Linux.
#
# Saved runs are numbered, and `--benchmark-compare` without a name compares with the last of them. From the ten thousandth
# on neither holds: every further run gets the number 10000, and what is called the last is run 9999 for ever. Both look
# for names of exactly four digits and an underscore. One would expect a number that is padded with zeros to four digits to
# grow beyond them, as it is written, and a comparison with the last run never to be one with a run of years ago. A storage
# that saves one run for each commit of a busy repository gets there.
#
# Output seen:
#   saved after 9999: 10000_first 10000_second 10000_third
#   --benchmark-compare without a name takes: 9999_earlier.json
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "pytest-benchmark==5.3.1" "pytest==9.2.0"
cat > "$folder/test_sum.py" <<'P'
def test_sum(benchmark):
    assert benchmark(sum, [1, 2]) == 3
P
run() { (cd "$folder" && env -u PYTHONPATH venv/bin/python -m pytest -q -p no:cacheprovider --rootdir=. --benchmark-storage=runs test_sum.py "$@" 2>&1); }
run --benchmark-save=earlier > /dev/null
first=$(ls "$folder"/runs/*/0001_earlier.json)
mv "$first" "$(dirname "$first")/9999_earlier.json"
for name in first second third; do run --benchmark-save=$name > /dev/null; done
saved=$(cd "$(dirname "$first")" && ls | grep -v 9999 | sed 's/\.json$//' | sort | tr '\n' ' ')
echo "saved after 9999: $saved"
compared=$(run --benchmark-compare | grep -oE "[0-9]+_[a-z]+\.json" | head -1 || true)
echo "--benchmark-compare without a name takes: $compared"
[ "$saved" = "10000_first 10000_second 10000_third " ] && [ "$compared" = "9999_earlier.json" ] ||
    { echo "saved runs are numbered beyond 9999 now"; exit 1; }
echo "as described"
