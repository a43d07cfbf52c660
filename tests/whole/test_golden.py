"""The small session that is kept says the same as ever: a change of the code that moves it changes no figure."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.golden import COMPUTED, FILES, FOLDER, NAMES_OF_OUTPUTS, RUN, outputs
from tests.support.tiny import REPOSITORY


def test_table_summary_and_page_of_the_kept_run_are_the_same_byte_by_byte(tmp_path):
    written = outputs(FOLDER / RUN, tmp_path)
    assert written.keys() == NAMES_OF_OUTPUTS.keys() == {*FILES} - {RUN}
    for name, content in written.items():
        assert content == (FOLDER / name).read_text(), (
            f"{name} differs; `python -m tests.golden --write` keeps a change"
        )


@pytest.mark.slow
def test_a_session_measures_what_is_kept_of_it(tmp_path):
    code = "import json, sys, pathlib, tests.golden as golden; run = golden.measured(pathlib.Path(sys.argv[1]));"
    code += " pathlib.Path(sys.argv[2]).write_text(json.dumps(run))"
    measured = tmp_path / "measured.json"
    command = [sys.executable, "-c", code, str(tmp_path), str(measured)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    new, kept = json.loads(measured.read_text()), json.loads((FOLDER / RUN).read_text())
    for benchmark, expected in zip(new["benchmarks"], kept["benchmarks"], strict=True):
        for section in {*COMPUTED} & {*expected["extra_info"]}:  # other processors add up in another order
            require_alike(benchmark["extra_info"].pop(section), expected["extra_info"].pop(section))
    assert new == kept


def require_alike(new, kept):
    """The same keys and texts, and numbers within a hundredth: FP16 is emulated in many ways.

    Differences of perplexities, which are small, are within a thousandth of one; which of five sequences is the worst
    by 1e-6 nats is nobody's to say.
    """
    if isinstance(kept, dict):
        assert new.keys() == kept.keys()
        for key in kept:
            if key.startswith("delta_perplexity") and isinstance(kept[key], float):
                of_one = 1 if "rel" in key else kept["perplexity"]
                assert new[key] == pytest.approx(kept[key], abs=1e-3 * of_one)
            elif key == "worst_sequences":
                assert len(new[key]) == len(kept[key])
            else:
                require_alike(new[key], kept[key])
    elif isinstance(kept, list):
        for one, other in zip(new, kept, strict=True):
            require_alike(one, other)
    else:
        assert new == (pytest.approx(kept, rel=0.01, abs=1e-6) if isinstance(kept, float) else kept)
