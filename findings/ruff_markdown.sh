#!/usr/bin/env bash
# ruff 0.17.6, seen on 2026-11-29.
#
# `ruff format` formats Python in fenced blocks of Markdown. A page that shows one argument of a call on its own, indented
# as it stands in the code and with its comma, holds a fragment that also parses as a statement once its indentation is
# gone: the assignment of a tuple. ruff rewrites it as that. One would expect a fragment to be left alone, or a block to
# be changed in its layout only. A reader who pastes the result into the call gets a syntax error, and `ruff format .`
# reports no more than one reformatted file.
#
# Output seen:
#   before:     timeout=compute(a) + compute(b),
#   after:  timeout = (compute(a) + compute(b),)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet "ruff==0.17.6"
cd "$folder"
printf '# Timeouts\n\nAdd an argument to the call:\n\n```python\n    timeout=compute(a) + compute(b),\n```\n' > page.md
echo "before: $(sed -n 6p page.md)"
venv/bin/ruff format --quiet page.md
echo "after:  $(sed -n 6p page.md)"
test "$(sed -n 6p page.md)" = "timeout = (compute(a) + compute(b),)" || { echo "the fragment is formatted otherwise now"; exit 1; }
echo "as described"
