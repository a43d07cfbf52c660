"""What README.md and precisions.md say of every precision: a function a block."""

from __future__ import annotations

from fixtures.precisions import PRECISIONS as DEFINED
from reference.runs import (
    COUNTS,
    PRECISIONS,
    command_seconds,
    complete,
    details,
    drift_check,
    grid,
    listed,
    mean,
    paragraph,
    ratio,
    saved,
    short,
    span,
    values,
)

#: Three sessions of every precision, compiled.
COMPILED = "h100/precisions"
#: One session of every precision, in a graph and compiled.
BOTH = "single/precisions"
#: Sessions of compiled forwards on other boards.
ELSEWHERE = ("sessions/h100_ab0873c7", "sessions/h100_9c937667_compiled")
#: Linear ones of GPT-2 small, without the output layer.
LAYERS = 48
#: Without those that the CPU would emulate.
CPU_PRECISIONS = ("fp32", "bf16", "mixed_bf16", "int8", "int8_weights")


def precisions() -> str:
    """Every precision, compiled: lowest to highest of three sessions, and what 8 bits give beside 16."""
    rows = [
        [
            precision,
            span(values(COMPILED, f"{precision}-compiled", "median_latency_ms"), "{:.3f}"),
            span(values(COMPILED, f"{precision}-compiled", "speedup_vs_fp32"), "{:.2f}", "x"),
            span(values(COMPILED, f"{precision}-compiled", "energy_per_sample_mj"), "{:.0f}"),
            span(values(COMPILED, f"{precision}-compiled", "model_size_mb"), "{:.0f}"),
        ]
        for precision in PRECISIONS
    ]
    table = grid(["precision, compiled", "median ms", "speed vs FP32", "energy mJ", "size MB"], rows)
    return f"{table}\n\n{eight_bits()}"


def eight_bits() -> str:
    """What 8 bits give beside 16, of the means over the sessions."""
    slower = [ratio(COMPILED, f"{name}-compiled", "fp16-compiled") - 1 for name in ("int8", "int8_weights", "fp8")]
    fp8, int8 = savings_of_eight_bits()
    dearer = ratio(COMPILED, "int8_weights-compiled", "fp16-compiled", "energy_per_sample_mj") - 1
    size = ratio(COMPILED, "int8-compiled", "fp32-compiled", "model_size_mb")
    return paragraph(
        f"Compiling and 16 bits are what pays for a model this small. 8 bits make it {size:.0%} of FP32's size, take "
        f"{100 * min(slower):.0f} to {max(slower):.0%} longer than FP16, and save little energy or none (FP8 {fp8:.0%} "
        f"of BF16's, INT8 {int8:.0%} of FP16's; INT8 weights take {dearer:.0%} more than FP16). "
        "More, on H200s and CPUs too: [docs/results.md](docs/results.md)."
    )


def savings_of_eight_bits() -> tuple[float, float]:
    """Return the share of energy that FP8 saves beside BF16, and INT8 beside FP16, compiled."""
    energy = "energy_per_sample_mj"
    fp8 = 1 - ratio(COMPILED, "fp8-compiled", "bf16-compiled", energy)
    return fp8, 1 - ratio(COMPILED, "int8-compiled", "fp16-compiled", energy)


def nine() -> str:
    """Every precision on an H100: one session in a graph, three compiled, and what they predict."""
    rows = []
    for precision in PRECISIONS:
        graph, compiled = f"{precision}-graph", f"{precision}-compiled"
        divergence = values(BOTH, graph, "kl_vs_fp32_nats")[0]
        agreement = values(BOTH, graph, "top1_agreement_vs_fp32")[0]
        rows.append(
            [
                precision,
                span(values(BOTH, graph, "median_latency_ms"), "{:.3f}"),
                span(values(COMPILED, compiled, "median_latency_ms"), "{:.3f}"),
                span(values(BOTH, graph, "energy_per_sample_mj"), "{:.0f}"),
                span(values(COMPILED, compiled, "energy_per_sample_mj"), "{:.0f}"),
                span(values(COMPILED, compiled, "model_size_mb"), "{:.2f}"),
                *(["", ""] if precision == "fp32" else [short(divergence), f"{agreement:.2%}"]),
            ]
        )
    head = [
        "",
        "graph ms",
        "compiled ms",
        "graph mJ",
        "compiled mJ",
        "size MB",
        "divergence, nats",
        "FP32's best token",
    ]
    return grid(head, rows)


def batch_32() -> str:
    """Four precisions at batch 32, one session."""
    chosen = ("fp32", "fp16", "int8", "fp8")
    rows = [
        [
            execution,
            *(
                span(
                    values("single/precisions_batch_32", f"{name}-{execution}-b32x128", "median_latency_ms"),
                    "{:.3g} ms",
                )
                for name in chosen
            ),
        ]
        for execution in ("graph", "compiled")
    ]
    return grid(["", *chosen], rows)


def compiled_differences() -> str:
    """How far compiled logits are from eager ones, beside the limit."""

    def largest(path: str, name: str) -> float:
        return max(complete(details(path, f"{name}-compiled", "numerics.difference_from_eager")))

    found, limits = [largest(COMPILED, name) for name in PRECISIONS], [DEFINED[name].tolerance for name in PRECISIONS]
    margins = [limit / one for limit, one in zip(limits, found, strict=True)]
    table = grid(
        ["", *PRECISIONS],
        [
            ["compiled against eager", *map(short, found)],
            ["limit", *(short(one).replace(".0e", "e") for one in limits)],
        ],
    )
    text = paragraph(
        f"Limits are {span(margins, '{:.0f}')} times what was measured. On a CPU with a BF16 base INT8 weights "
        f"differed by {short(largest('cpu/precisions', 'int8_weights'))}. Trained weights were not at hand; theirs may "
        "differ by more."
    )
    return f"{table}\n\n{text}"


def sizes() -> str:
    """What the weights take in each kind of precision."""
    kinds = ("fp32", "fp16", "int8", "int8_weights")
    fp32, half, int8, weights = (f"{mean(COMPILED, f'{name}-compiled', 'model_size_mb'):.2f}" for name in kinds)
    return paragraph(
        f"**Size** is of what is stored, tied weights once, scales counted: {fp32} MB in FP32, {half} in 16 bits, "
        f"{int8} in INT8 and FP8, {weights} with torchao's INT8 weights, which hold zero points as well. "
        "`checkpoint_size_mb` is of the files on disk, and for a quantized model of the safetensors file that it would "
        "be saved in."
    )


def eight_bits_on_h100() -> str:
    """What 8 bits give on an H100, compiled and not."""
    fp8, int8 = savings_of_eight_bits()
    smaller = 1 - ratio(COMPILED, "int8-compiled", "fp16-compiled", "model_size_mb")
    slower = ratio(BOTH, "int8-graph", "fp16-graph")
    of_fp16, *kernels = (mean(BOTH, f"{name}-graph", "kernels") for name in ("fp16", "int8", "fp8", "int8_weights"))
    more = [f"{(one - of_fp16) / LAYERS:.0f}" for one in kernels]
    items = (
        "- **Eight bits do not make it faster.** Compiled, FP16 beats INT8 and FP8 at batch 1 and at 32, and BF16 at "
        "batch 1: the layers are small, and quantizing the activations costs what the products save. FP8 takes "
        f"{fp8:.0%} less energy than BF16, INT8 {int8:.0%} less than FP16. Both models are {smaller:.0%} smaller than "
        "in 16 bits.",
        f"- **Without compilation 8 bits are slower still**: each of the {LAYERS} layers runs {listed(more)} kernels "
        f"more in INT8, FP8 and with INT8 weights, and INT8 takes {slower:.1f} times FP16's time.",
    )
    return "\n".join(paragraph(item, "  ") for item in items)


def compiling_on_h100() -> str:
    """What compiling gives on an H100, in one session of both executions a batch size."""
    gains = {name: ratio(BOTH, f"{name}-graph", f"{name}-compiled") for name in PRECISIONS}
    at_32 = ratio("single/precisions_batch_32", "fp16-graph-b32x128", "fp16-compiled-b32x128")
    autocast = ("mixed", "mixed_bf16")
    dearer = [ratio(BOTH, f"{name}-compiled", f"{name}-graph", "energy_per_sample_mj") - 1 for name in autocast]
    return paragraph(
        "- **Compiling makes every precision faster.** In the sessions that measured both it was "
        f"{gains['fp32']:.1f} times as fast in FP32 at batch 1, {gains['fp16']:.1f} in FP16, and {at_32:.1f} in FP16 "
        f"at batch 32. Under autocast it gives the least ({span((gains[name] for name in autocast), '{:.1f}')} times) "
        f"and takes {span(dearer, '{:.0%}')} more energy, because a compiled forward casts the weights each time where "
        "the graph of an eager one holds its casts.",
        "  ",
    )


def compiled_elsewhere() -> str:
    """The same compiled forwards on other boards."""
    chosen = ("fp32", "fp16", "int8", "fp8")
    lines, apart = [], []
    for path in ELSEWHERE:
        latency = ", ".join(span(values(path, f"{name}-compiled", "median_latency_ms"), "{:.3f}") for name in chosen)
        energy = ", ".join(span(values(path, f"{name}-compiled", "energy_per_sample_mj"), "{:.0f}") for name in chosen)
        lines.append(f"- `{path}`, {len(saved(path))} sessions: {latency} ms and {energy} mJ")
    for column in ("median_latency_ms", "energy_per_sample_mj"):
        of_boards = [
            [mean(path, f"{name}-compiled", column) for path in (COMPILED, *ELSEWHERE, BOTH)] for name in chosen
        ]
        apart.append(max(max(one) / min(one) - 1 for one in of_boards))
    return (
        "On other H100s, compiled, in the order fp32, fp16, int8, fp8:\n\n"
        + "\n".join(lines)
        + "\n\n"
        + paragraph(
            f"The means of the {COUNTS[len(ELSEWHERE) + 2]} boards, that of the graphs in the table among them, lie "
            f"within {apart[0]:.1%} of each other in latency and {apart[1]:.1%} in energy: compare energies of one "
            "board. The shipped noise floor of compiled forwards is of these sessions and the three in the table."
        )
    )


def compilation() -> str:
    """How long compiling takes, at first and from then on."""
    of_cases = [details(COMPILED, f"{name}-compiled", "seconds.compilation") for name in PRECISIONS]
    (first, *later), whole = zip(*of_cases, strict=True), command_seconds(COMPILED)
    return paragraph(
        f"Compilation took {span(first, '{:.0f}')} s a case in the first session on the machine and "
        f"{span((one for session in later for one in session), '{:.0f}')} s with what is kept in `.compile_cache/`; "
        f"the whole command, nine precisions, {whole[0]:.0f} s and {span(whole[1:], '{:.0f}')} s."
    )


def on_cpu() -> str:
    """Every precision on two CPU cores, eager and compiled: lowest to highest of the sessions."""
    path, executions = "cpu/precisions", ("eager", "compiled")
    rows = [
        [
            precision,
            *(
                span(values(path, f"{precision}-{execution}", column), form, unit)
                for execution in executions
                for column, form, unit in (("median_latency_ms", "{:.0f}", " ms"), ("speedup_vs_fp32", "{:.1f}", "x"))
            ),
        ]
        for precision in CPU_PRECISIONS
    ]
    table = grid(["", *(head for execution in executions for head in (execution, "speed vs FP32"))], rows)
    return "\n\n".join([table, paragraph(" ".join(drift_check(path, execution) for execution in executions))])
