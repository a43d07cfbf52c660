"""The compiled execution: compiled once, kept, and one sentence where it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch
from packaging.version import Version

from analysis.comparison.comparability import differences
from benchmarks.instruments.numerics import numerics
from benchmarks.machine.environment import compiler_options
from fixtures import CACHE_VARIABLE
from fixtures.dataset.batches import Batch
from fixtures.executions import EXECUTIONS, CaptureError, compilation
from fixtures.executions.compilation import CompilationError, cache_folder, compiler_missing_reason
from fixtures.precisions import ALL, PRECISIONS, named
from fixtures.settings import default_executions
from fixtures.workloads import FORWARD
from tests.test_suite import extra_info
from tests.tiny import REPOSITORY, tiny_gpt2

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
IDS = torch.arange(8)[None]
BATCH = Batch(IDS, torch.tensor([[1] * 6 + [0] * 2]), text_tokens=6)
COMPILED = EXECUTIONS["compiled"]
OWN_FOLDER = {"TORCHINDUCTOR_CACHE_DIR": "/own"}
needs_compiler = pytest.mark.skipif(compiler_missing_reason(CPU) is not None, reason="needs a C++ compiler")
#: transformers looks its attention up in a mapping of its own, which PyTorch 2.6 does not compile.
compiles_gpt2 = pytest.mark.skipif(
    Version(torch.__version__) < Version("2.7"), reason="PyTorch 2.6 does not compile GPT-2"
)


@needs_compiler
@compiles_gpt2
def test_a_session_compiles_once_before_its_first_visit_and_gets_eagers_logits(run_suite, saved_run):
    options = torch.get_float32_matmul_precision(), torch._inductor.config.save_config()
    result = run_suite("--benchmark-autosave", "--precisions=fp32,int8", "--executions=eager,compiled")
    assert result.ret == 0
    if sys.version_info[:3] != (3, 13, 0):  # PyTorch says that its guards are slower there
        result.stdout.no_fnmatch_line("*warnings summary*")
    result.stdout.fnmatch_lines([f"compiled code is kept in {cache_folder()}*", "compiled: fp32-compiled-*"])
    for precision, tolerance in (("fp32", 1e-5), ("int8", 0.1)):
        info = extra_info(saved_run(), f"{precision}-compiled-b1x16")
        # A visit does not compile: both together prepare faster than even what is kept from an earlier run is loaded.
        assert 0 < info["seconds"]["preparation"] < info["seconds"]["compilation"]
        assert 0 <= info["numerics"]["difference_from_eager"] <= tolerance
        assert extra_info(saved_run(), f"{precision}-eager-b1x16")["seconds"]["compilation"] is None
    assert (torch.get_float32_matmul_precision(), torch._inductor.config.save_config()) == options


def test_what_is_compiled_is_kept_in_the_repository_unless_the_user_has_another_folder():
    code = "import fixtures, os; print(os.environ['TORCHINDUCTOR_CACHE_DIR'])"
    without = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    for environment, folder in ((without, REPOSITORY / ".compile_cache"), ({**without, **OWN_FOLDER}, "/own")):
        shown = subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, text=True)
        assert shown.strip() == str(folder)
    ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
    assert "/.compile_cache/" in ignored


def test_each_case_has_code_of_its_own(monkeypatch):
    functions = []
    monkeypatch.setattr(torch, "compile", lambda function, **_: functions.append(function) or function)
    model = tiny_gpt2()
    with torch.no_grad():
        first, second = (COMPILED.step(model, [BATCH]).function(IDS, BATCH.attention_mask) for _ in range(2))
    assert functions[0].__code__ is not functions[1].__code__
    assert torch.equal(first, second)


def test_a_model_that_cannot_be_compiled_fails_with_one_sentence_and_the_others_go_on(run_suite, monkeypatch):
    def failing(function, **_):
        def call(*_, **__):
            raise torch._dynamo.exc.Unsupported("a graph break")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    monkeypatch.setattr(compilation, "compiler_missing_reason", lambda _: None)
    monkeypatch.setattr("fixtures.executions.execution.compiler_missing_reason", lambda _: None)
    result = run_suite("--precisions=fp32", "--executions=eager,compiled")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["torch.compile failed: Unsupported: a graph break*; expected *", "fp32-eager*"])
    result.stdout.fnmatch_lines(["*could not be compiled, which has failed already*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    assert sum(line.startswith("torch.compile failed: ") for line in result.outlines) == 1  # for both of its visits


def test_out_of_memory_is_no_failure_of_the_compiler(monkeypatch):
    def out_of_memory(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        COMPILED.step(tiny_gpt2(), [BATCH])


def test_a_visit_that_would_compile_fails(monkeypatch):
    def recompiling(*_, **__):
        raise RuntimeError("Detected recompile when torch.compile stance is 'fail_on_recompile'")

    monkeypatch.setattr("fixtures.executions.compiled.called", recompiling)
    with pytest.raises(CompilationError, match=r"does not fit a visit: Detected recompile .*; expected no further"):
        COMPILED.prepare(tiny_gpt2(), [BATCH], FORWARD.start(tiny_gpt2(), BATCH))


@pytest.mark.parametrize(
    ("device", "variable", "sentence"),
    [
        (CPU, "CXX", "compiled cannot run here: there is no C++ compiler (no-such-compiler); install one"),
        (CUDA, "CC", "compiled cannot run here: there is no C compiler (no-such-compiler); install one"),
    ],
)
def test_without_a_compiler_it_is_skipped_with_a_sentence(monkeypatch, device, variable, sentence):
    monkeypatch.setenv(variable, "no-such-compiler")
    assert COMPILED.unavailable_reason(device).startswith(sentence)
    monkeypatch.delenv(variable)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda _: None)
    assert COMPILED.unavailable_reason(CPU) is None
    assert "triton is not installed" in COMPILED.unavailable_reason(CUDA)


@pytest.mark.parametrize(("capability", "runs"), [((7, 0), True), ((6, 1), False)])
def test_triton_makes_no_kernels_for_pascal(monkeypatch, capability, runs):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(compilation.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    reason = COMPILED.unavailable_reason(CUDA)
    assert (reason is None) is runs
    assert runs or reason == ("compiled cannot run here: Triton makes no kernels for GPUs before CUDA capability 7.0")


def test_one_quantized_precision_has_all_compiled_on_a_gpu():
    assert default_executions(["fp32", "bf16"], CUDA) == ("eager", "graph")
    assert default_executions(["fp32", "int8"], CUDA) == ("graph", "compiled")
    assert default_executions(["fp32", "int8"], CPU) == ("eager",)


@pytest.mark.parametrize("name", list(PRECISIONS))
def test_switches_are_as_before_after_a_case(name):
    def switches() -> tuple[object, ...]:
        return (
            torch.get_float32_matmul_precision(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.is_grad_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.is_autocast_cache_enabled(),
        )

    before, precision = switches(), PRECISIONS[name]
    within = precision.running(CPU, keeps_casts=False)
    within.__enter__()
    assert torch.get_float32_matmul_precision() == precision.float32_products
    with pytest.raises(KeyError):  # what happens within is passed on
        within.gen.throw(KeyError())
    assert switches() == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_a_gpu_every_precision_is_captured_compiled_and_proved(run_suite, saved_run):
    # In a process of its own: PyTorch's compiler cannot be imported twice, which runs within one process would do.
    options = ("--precisions=all", "--executions=graph,compiled", "--device=cuda", "--energy=off")
    result = run_suite("--benchmark-autosave", *options, in_process=False)
    assert result.ret == 0
    for name in named(ALL, CUDA):
        for execution in ("graph", "compiled"):
            numerics = extra_info(saved_run(), f"{name}-{execution}-b1x16")["numerics"]
            assert numerics["same_bits_as_eager"] or execution == "compiled"
            assert numerics["products_reason"] is None
            if PRECISIONS[name].products is not None:
                assert PRECISIONS[name].products.count(numerics["products"]) >= 8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_what_waits_for_the_gpu_is_named_and_the_next_capture_works(monkeypatch):
    model, execution = tiny_gpt2().to(CUDA), EXECUTIONS["graph"]
    batch = Batch(IDS.to(CUDA), torch.ones_like(IDS, device=CUDA), text_tokens=8)
    plain = model.transformer.forward

    def waiting(*arguments, **options):
        output = plain(*arguments, **options)
        output[0].sum().item()
        return output

    with torch.no_grad():
        monkeypatch.setattr(model.transformer, "forward", waiting)
        with pytest.raises(CaptureError, match=r"_local_scalar_dense\.default failed"):
            execution.prepare(model, [batch])
        monkeypatch.undo()
        expected = model(batch.input_ids).logits
        assert torch.equal(execution.prepare(model, [batch])(batch), expected)


def test_the_products_of_an_eager_forward_are_counted():
    model = tiny_gpt2()
    with torch.no_grad():
        observed = numerics(model, EXECUTIONS["eager"].prepare(model, [BATCH]), BATCH)
    assert observed["products"] == {"addmm": 8, "mm": 1}


def test_variables_that_change_the_compilers_code_are_recorded_and_runs_that_differ_in_them_do_not_compare():
    variables = {"TORCHINDUCTOR_MULTI_KERNEL": "1", CACHE_VARIABLE: "/own", "PATH": "/bin"}
    assert compiler_options(variables) == "TORCHINDUCTOR_MULTI_KERNEL=1"
    assert compiler_options({CACHE_VARIABLE: "/own"}) == "defaults"
    sides = [
        (side, {"case": {"precision": "fp16", "execution": "graph"}, "environment": {"compiler_options": options}})
        for side, options in (("a", "defaults"), ("b", "TORCHINDUCTOR_MULTI_KERNEL=1"))
    ]
    assert differences(sides) == [
        "the compiler's setting differs: defaults in a; TORCHINDUCTOR_MULTI_KERNEL=1 in b.",
    ]
