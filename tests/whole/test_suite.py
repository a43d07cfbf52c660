"""The whole main job on a tiny model: what it saves and shows."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.runs.validity import judgements
from core.metrics import HEADLINE, LEADING_COLUMNS
from data_prep.layout import write_dataset
from tests.support.saved_runs import extra_info
from tests.support.tiny import LENGTHS, ORIGINAL_METADATA, tiny_gpt2, tiny_tensors

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR

#: The precisions of the sessions here.
SHOWN = ("fp32", "fp16", "mixed")


@dataclass(frozen=True)
class WholeRun:
    """What a run with every option at its default left behind."""

    saved: dict
    results: Path


@pytest.fixture(scope="module")
def runs() -> list[WholeRun]:
    """The whole run that this module's tests share; empty until one of them needs it."""
    return []


@pytest.fixture
def whole_run(runs, run_suite, saved_run, tmp_path) -> WholeRun:
    """One run for every test that only reads, pictures drawn."""
    if not runs:
        assert run_suite("--benchmark-autosave", pictures=True).ret == 0
        runs.append(WholeRun(saved_run(), tmp_path / "results"))
    return runs[0]


def test_a_run_saves_every_metric_of_every_precision(whole_run):
    saved = whole_run.saved
    assert [item["name"] for item in saved["benchmarks"]] == [f"test_forward[{name}-eager-b1x16]" for name in SHOWN]
    assert {item["group"] for item in saved["benchmarks"]} == {"eager-b1x16"}
    for name in SHOWN:
        info = extra_info(saved, f"{name}-eager-b1x16")
        assert (info["precision"], info["execution"], info["batch_size"], info["sequence_length"]) == (
            name,
            "eager",
            1,
            16,
        )
        assert info["latency"]["median_ms"] > 0
        assert info["latency"]["rounds"] == 8
        assert info["latency"]["warmup_rounds"] == 2
        assert [visit["number"] for visit in info["visits"]] == [1, 2]
        assert [visit["rounds"] for visit in info["visits"]] == [4, 4]
        assert info["incomplete"] is None
        assert info["quality"]["perplexity"] == pytest.approx(50257, rel=0.2)
        assert info["quality"]["targets"] == sum(LENGTHS) - len(LENGTHS)
        assert False not in info["integrity"]["checks"].values()
        assert info["integrity"]["checks"]["mask_is_binary"] is True
        assert info["integrity"]["checks"]["recorded_digests_agree"] is None  # nothing to compare with
        assert info["provenance"]["stand_in"] is False
    parameters = extra_info(saved, "fp32-eager-b1x16")["size"]["parameters"]
    assert [
        extra_info(saved, f"{name}-eager-b1x16")["size"]["model_size_mb"] for name in ("fp32", "fp16", "mixed")
    ] == [
        parameters * 4 / 1e6,
        parameters * 2 / 1e6,
        parameters * 4 / 1e6,
    ]
    assert saved["machine_info"]["torch"] == torch.__version__
    assert saved["machine_info"]["flags"]["float32_matmul_precision"] == "highest"


def test_precisions_are_compared_with_fp32_token_by_token(whole_run):
    saved = whole_run.saved
    baseline = extra_info(saved, "fp32-eager-b1x16")["quality"]
    assert baseline["delta_perplexity_vs_fp32"] is None
    assert baseline["delta_reason"] == "fp32 is what the others are compared with"
    for name in ("fp16-eager-b1x16", "mixed-eager-b1x16"):
        quality = extra_info(saved, name)["quality"]
        assert quality["delta_perplexity_ci95_low"] <= quality["delta_perplexity_vs_fp32"]
        assert quality["delta_perplexity_vs_fp32"] <= quality["delta_perplexity_ci95_high"]
        assert quality["delta_perplexity_vs_fp32"] == pytest.approx(quality["perplexity"] - baseline["perplexity"])
        assert quality["verdict"] == "equal"
        assert 1e-12 < quality["kl_vs_fp32_nats"] < 1e-3
        assert quality["scored_vs_timed"]["kl_nats"] < 1e-6
        assert quality["scored_vs_timed"]["targets"] == sum(LENGTHS) - len(LENGTHS)
        assert 0.5 < quality["top1_agreement_vs_fp32"] <= 1
        assert len(quality["worst_sequences"]) == 5
        with np.load(quality["per_sequence_file"], allow_pickle=False) as arrays:
            assert float(arrays["nll_nats"].sum()) / quality["targets"] == pytest.approx(quality["avg_loss_nats"])
            assert arrays["targets"].tolist() == [length - 1 for length in LENGTHS]


def test_more_rows_than_there_are_cannot_be_scored(run_suite):
    result = run_suite("--quality-samples=7", "--precisions=fp32")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*--quality-samples is 7, but the dataset has 6 rows; expected no more than that*"])


def test_energy_without_a_meter_is_null_with_a_reason(whole_run):
    energy = extra_info(whole_run.saved, "fp32-eager-b1x16")["energy"]
    assert energy["energy_per_sample_mj"] is None
    assert energy["mean_power_w"] is None
    assert energy["status"] == "unavailable"
    assert energy["method"] == "none"
    assert energy["reason"]
    assert energy["code"]


def test_energy_required_but_not_to_be_had_fails(run_suite):
    result = run_suite("--energy=require", "--precisions=fp32")
    result.assert_outcomes(passed=16, failed=1, skipped=8)
    result.stdout.fnmatch_lines(["*--energy require: the energy of fp32-eager-b1x16 is not known*"])


def test_each_visit_begins_at_its_own_row_which_is_the_same_for_all_cases(whole_run):
    full = [length == 16 for length in LENGTHS]
    expected = [sum(full[row % 6] for row in range(first, first + 4)) for first in (0, 3)]  # 6 rows, 2 visits
    for name in SHOWN:
        visits = extra_info(whole_run.saved, f"{name}-eager-b1x16")["visits"]
        assert [visit["full_rounds"] for visit in visits] == expected


def test_figures_of_time_are_weighted_by_the_dataset_not_by_the_rounds(whole_run):
    case = "fp32-eager-b1x16"
    latency = extra_info(whole_run.saved, case)["latency"]
    assert latency["full_share"] == pytest.approx(LENGTHS.count(16) / 6)
    with np.load(whole_run.saved["machine_info"]["rounds_file"], allow_pickle=False) as arrays:
        seconds, visits, full = (arrays[f"{case}/{name}"] for name in ("seconds", "visit", "full"))
    shares = {True: LENGTHS.count(16) / 6, False: 1 - LENGTHS.count(16) / 6}
    logs = []
    for visit in (1, 2):
        of_variant = {variant: seconds[(visits == visit) & (full == variant)] for variant in shares}
        timed = [variant for variant in shares if len(of_variant[variant])]
        medians = [np.median(of_variant[variant]) for variant in timed]
        logs.append(math.log(np.average(medians, weights=[shares[variant] for variant in timed])))
    assert latency["median_ms"] == pytest.approx(1000 * math.exp(sum(logs) / 2))
    tokens_a_sample = latency["tokens_per_s"] / latency["throughput_samples_per_s"]
    assert tokens_a_sample == pytest.approx(sum(LENGTHS) / 6)


def test_all_rounds_are_kept_in_one_file_that_the_run_names(whole_run):
    with np.load(whole_run.saved["machine_info"]["rounds_file"], allow_pickle=False) as arrays:
        assert arrays["fp16-eager-b1x16/visit"].tolist() == [1] * 4 + [2] * 4
        (own,) = [item for item in whole_run.saved["benchmarks"] if item["param"] == "fp16-eager-b1x16"]
        assert own["stats"]["rounds"] == len(arrays["fp16-eager-b1x16/seconds"]) == 8
        assert own["stats"]["mean"] == pytest.approx(float(arrays["fp16-eager-b1x16/seconds"].mean()))


def test_tables_have_the_promised_columns(whole_run):
    text = (whole_run.results / "gpt2_quantization_benchmark_results.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    leading = ["perplexity" if name == HEADLINE else name for name in LEADING_COLUMNS]
    assert list(rows[0])[: len(leading)] == leading
    assert [row["name"] for row in rows] == ["fp32-eager-b1x16", "fp16-eager-b1x16", "mixed-eager-b1x16"]
    assert [float(row["size_reduction_vs_fp32"]) for row in rows] == [0, 0.5, 0]
    assert {row["energy_per_sample_mj"] for row in rows} == {""}
    assert (whole_run.results / "gpt2_benchmark_summary.md").read_text().startswith("# tiny-gpt2 precision benchmark")


def test_a_precision_the_hardware_lacks_is_skipped_with_the_reason(run_suite, saved_run, tmp_path, monkeypatch):
    monkeypatch.setattr("fixtures.device.requirements.cpu_flags", frozenset)
    result = run_suite("--benchmark-autosave", emulated=False)
    result.assert_outcomes(passed=19, skipped=8)
    result.stdout.fnmatch_lines(["SKIPPED*fp16 is not native here: this CPU has none of avx512_fp16, amx_fp16*"])
    assert [item["param"] for item in saved_run()["benchmarks"]] == ["fp32-eager-b1x16"]
    summary = (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    assert "fp16-eager-b1x16 was not run: fp16 is not native here" in summary


def test_an_emulated_precision_is_marked(run_suite, saved_run, tmp_path, monkeypatch):
    monkeypatch.setattr("fixtures.device.requirements.cpu_flags", frozenset)
    assert run_suite("--benchmark-autosave", "--precisions=fp32,fp16").ret == 0
    assert extra_info(saved_run(), "fp32-eager-b1x16")["validity"]["native"] is True
    assert extra_info(saved_run(), "fp16-eager-b1x16")["validity"]["native"] is False
    assert (
        "fp16-eager-b1x16 (emulated, invalid, interval assumed"
        in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    )


def test_stand_in_weights_are_marked_everywhere(run_suite, saved_run, tiny_dataset, tmp_path):
    stand_in_model = tmp_path / "seeded"
    tiny_gpt2(stand_in=True).save_pretrained(stand_in_model)
    result = run_suite("--benchmark-autosave", "--precisions=fp32", f"--model={stand_in_model}")
    assert result.ret == 0
    info = extra_info(saved_run(), "fp32-eager-b1x16")
    assert info["provenance"]["stand_in"] is True
    assert info["quality"]["meaningful"] is False
    output = result.stdout.str()
    before, after = output.split("test_integrity.py", 1)
    assert "STAND-IN" in before
    assert "STAND-IN" in after
    assert "data_prep" in after
    assert "STAND-IN" in (tmp_path / "results" / "gpt2_benchmark_summary.md").read_text()
    assert "True" in (tmp_path / "results" / "gpt2_quantization_benchmark_results.csv").read_text()


def test_integrity_runs_alone_and_before_everything_else(run_suite):
    alone = run_suite("-m", "integrity")
    alone.assert_outcomes(passed=16, skipped=6, deselected=10)
    both = run_suite("-v", "--precisions=fp32", files=("test_forward.py", "test_integrity.py")).stdout.str()
    assert both.index("test_integrity[files_exist]") < both.index("test_forward[fp32-eager-b1x16]")


def test_a_failed_check_names_itself_and_stops_the_benchmarks(run_suite, tiny_dataset, saved_run, tmp_path):
    labels = torch.load(tiny_dataset / "labels.pt")
    labels[0, 0] += 1
    torch.save(labels, tiny_dataset / "labels.pt")
    result = run_suite("--benchmark-autosave")
    result.assert_outcomes(passed=15, failed=1, errors=9, skipped=6)
    result.stdout.fnmatch_lines(
        [
            "*labels_equal_input_ids failed in *: found 1 label(s) that differ from input_ids; expected none*"
            "Put back the files *"
        ]
    )
    assert not list((tmp_path / "saved").rglob("*.json"))
    assert "Traceback" not in result.stdout.str()


def test_out_of_memory_after_the_visits_keeps_what_was_timed_and_the_others_go_on(run_suite, monkeypatch, tmp_path):
    from fixtures.tasks.language_modeling import divergence, task

    plain = divergence.compare

    def compare(models, *arguments):
        if "fp16" in models:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has little.")
        return plain(models, *arguments)

    monkeypatch.setattr(task, "compare", compare)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3e9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: type("P", (), {"total_memory": 8e9}))
    result = run_suite("--benchmark-autosave")
    result.assert_outcomes(passed=24, failed=1, skipped=6)
    result.stdout.fnmatch_lines(
        ["*Out of GPU memory in test_after_visits?fp16-eager-b1x16?: Tried to allocate 20.00 GiB*8,000 MB*"]
    )
    (path,) = (tmp_path / "saved").rglob("*.json")
    found = {item["param"]: item["extra_info"] for item in json.loads(path.read_text())["benchmarks"]}
    assert list(found) == ["fp32-eager-b1x16", "fp16-eager-b1x16", "mixed-eager-b1x16"]
    assert [info.get("quality", {}).get("verdict") for info in found.values()] == [None, None, "equal"]
    assert "what follows the visits failed: Out of GPU memory" in found["fp16-eager-b1x16"]["incomplete"]
    assert found["fp16-eager-b1x16"]["latency"]["median_ms"] > 0
    assert found["mixed-eager-b1x16"]["incomplete"] is None


def test_a_model_of_nan_has_no_perplexity(run_suite, saved_run, tmp_path):
    model = tiny_gpt2()
    model.transformer.ln_f.weight.data.fill_(math.nan)
    model.save_pretrained(tmp_path / "nan")
    assert run_suite("--benchmark-autosave", "--precisions=fp32", f"--model={tmp_path / 'nan'}").ret == 0
    quality = extra_info(saved_run(), "fp32-eager-b1x16")["quality"]
    assert quality["perplexity"] is None
    assert quality["nonfinite_logits"] > 0
    assert quality["reason"].endswith("transformer.ln_f (LayerNorm), whose weight holds NaN or infinity")
    saved = saved_run()
    (judgement,) = judgements(saved["benchmarks"])
    assert judgement.status == "invalid"
    assert any("logits are NaN or infinite" in reason for reason in judgement.reasons)


def test_batches_wrap_around_the_dataset(run_suite, saved_run):
    assert run_suite("--benchmark-autosave", "--precisions=fp32", "--batch-size=4", "--rounds=3").ret == 0
    info = extra_info(saved_run(), "fp32-eager-b4x16")
    assert info["batch_size"] == 4
    read = [*LENGTHS, *LENGTHS[:2]]  # two batches of four over six samples: 0-3, and 4-5 with 0-1
    tokens_a_sample = info["latency"]["tokens_per_s"] / info["latency"]["throughput_samples_per_s"]
    assert tokens_a_sample == pytest.approx(sum(read) / 8)
    latency = info["latency"]  # no batch of four is full
    assert (latency["full_median_ms"], latency["full_share"]) == (None, 0)
    assert latency["variant_reason"] == "no full batch was timed"
    assert latency["median_ms"] == latency["padded_median_ms"]


def test_a_generated_dataset_is_refused_where_none_may_be_used(run_suite, tmp_path):
    folder = tmp_path / "generated"
    write_dataset(folder, tiny_tensors(), ORIGINAL_METADATA | {"stand_in": True})
    result = run_suite(f"--dataset-dir={folder}", "--stand-in=never", "--precisions=fp32")
    result.assert_outcomes(passed=16, errors=3, skipped=6)
    result.stdout.fnmatch_lines(["*holds generated data and --stand-in is never*"])
    shutil.rmtree(folder)


def test_collecting_alone_prepares_and_loads_nothing(run_suite, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("nothing is to be looked for")

    monkeypatch.setattr("fixtures.tasks.dataset_folder", refuse)
    monkeypatch.setattr("benchmarks.plugins.header.checkpoint_of", refuse)
    result = run_suite("--collect-only", "-q")
    assert result.ret == 0
    assert "no benchmark was measured" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*test_forward?fp32-eager-b1x16?"])


def test_the_suites_table_comes_last_and_says_why_its_medians_differ(run_suite):
    result = run_suite("--precisions=fp32")
    lines = result.outlines
    (theirs,) = [number for number, line in enumerate(lines) if line.startswith("Name (time in ")]
    (ours,) = [number for number, line in enumerate(lines) if line.startswith("benchmark  ")]
    assert theirs < ours
    assert [line for line in lines[theirs:ours] if line.startswith("median ms: mean of the visits' medians; pytest-")]
    assert not [line for line in lines[ours:] if len(line) > 100 and line.startswith(("fp", "warn", "no "))]
    quiet = run_suite("--precisions=fp32", "--benchmark-quiet").outlines
    assert not [line for line in quiet if line.startswith(("Name (time in ", "median ms: "))]


def test_a_limit_on_the_times_that_is_exceeded_hides_no_table(run_suite, tmp_path):
    run_suite("--precisions=fp32", "--benchmark-autosave")
    (path,) = (tmp_path / "saved").rglob("*.json")
    saved = json.loads(path.read_text())
    saved["benchmarks"][0]["stats"]["min"] /= 1e6
    path.write_text(json.dumps(saved))
    result = run_suite("--precisions=fp32", "--benchmark-compare", "--benchmark-compare-fail=min:1%")
    assert result.ret
    assert [line for line in result.outlines if line.startswith("fp32-eager-b1x16 ")]
