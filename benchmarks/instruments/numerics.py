"""In what a benchmark really computes: observed dtypes, casts, switches and products."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
import transformers

from benchmarks.instruments.base import AfterLastVisit, AfterVisits
from benchmarks.loop import ForwardLoop
from benchmarks.measured_case import MeasuredCase
from core.metrics.figures import Figure, Reason
from core.metrics.ranges import NOT_NEGATIVE, SHARE
from core.metrics.records import Record, figure, metric
from fixtures.dataset.batches import Batch
from fixtures.executions import Forward, logits_distance, reference, require_same_logits
from fixtures.executions.operators import OperatorWatch
from fixtures.precisions import Precision, PrecisionError, baseline
from fixtures.precisions.coverage import coverage_of
from fixtures.precisions.factors import factors_of
from fixtures.precisions.layers import matrix_layers
from fixtures.precisions.products import PRODUCT_OPERATORS, product_kernels
from fixtures.precisions.read_weights import evenly_chosen, require_stored_weights_read
from fixtures.precisions.storage import bytes_by_storage, storage_of

#: Columns of a layer, at least: the output layer of a classifier has as many as there are classes.
SMALLEST_LAYER = 16
#: Tensor.to is one operator in inference mode and another outside it.
CONVERSIONS = (torch.ops.aten.to, torch.ops.aten._to_copy)
#: Batches of each variant on which another execution's logits are compared with eager ones.
COMPARED_BATCHES = 4
#: How far they may be apart where that is beyond the precision's tolerance, in distances of the eager ones from FP32's:
#: two computations that are equally far from a third are at most twice as far from each other. Weights with outliers
#: make INT8 differ more than any tolerance that is set once: 0.11 of the norm in a trained SmolLM2-135M on an H200.
OWN_DISTANCES = 2
#: Layers whose stored weights are changed to see whether they are read: on a CPU each of these forwards takes 0.1 s.
CHANGED_ON_CPU = 8
NOT_QUANTIZED = "no weights are quantized"


@dataclass(frozen=True, kw_only=True)
class NumericsRecord(Record):
    """Dtypes and switches as they were found, and the casts and matrix products of one forward."""

    section: ClassVar[str] = "numerics"
    parameter_dtypes: Mapping[str, int]
    parameter_bytes: Mapping[str, int]
    logits_dtype: str
    #: That of the timed execution: what was compiled for another precision may have another one.
    timed_logits_dtype: str
    float32_matmul_precision: str
    cudnn_allow_tf32: bool
    attention_implementation: str
    casts: int = metric(
        "", None, "conversions between floating-point dtypes in one forward", within=NOT_NEGATIVE, place=430
    )
    casts_by_dtype: Mapping[str, int]
    #: Names of the kernels that multiply matrices, on a CPU of the operators, and how often each runs.
    products: Figure[Mapping[str, int]] = figure(reason=Reason("products_reason"))
    #: How many products of the layers have one row: cuBLAS multiplies those in FP32 without tensor cores.
    single_row_products: int
    difference_from_eager: float
    difference_tolerated: float
    same_bits_as_eager: bool
    #: Quantized layers whose stored weights were changed, and in how many of them that changed the timed logits.
    weights_changed: int
    weights_read: Figure[int] = figure(reason=Reason("weights_read_reason"))
    quantized_share: Figure[float] = metric(
        "",
        None,
        "share of what matrix products multiply by, in FP32 bytes, that is stored in the precision's format",
        within=SHARE,
        reason=Reason("quantized_share_reason"),
        form=".2%",
    )
    #: FP32 bytes of the rest, by the name of the parameter with `*` for numbers, and of what is never counted, by kind.
    left_out_bytes: Mapping[str, int] | None = None
    not_counted_bytes: Mapping[str, int] | None = None


class Numerics(AfterVisits):
    """Observes one eager forward, and compares the timed execution's logits with eager ones."""

    name = "numerics"
    description = "dtypes, casts and matrix products of a forward, and its difference from eager"
    record = NumericsRecord

    def measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        """Return the observations.

        Raises `CaptureError` where the timed execution computes something else, and `PrecisionError` where it
        multiplies in another format or does not read the weights as they are stored.
        """
        with case.phase("numerics"):
            return self._measure(case, after)

    def _measure(self, case: MeasuredCase, after: AfterLastVisit) -> Record:
        observed = numerics(case.model, case.eager, case.data.batches[0])
        if case.settings.device.type == "cuda":
            kernels = after.kernels(case.data.examples[-1])
            missing: Figure[Any] = Figure(None, reason="the profiler saw no kernel (CUPTI)")
            observed["products"] = Figure(product_kernels(kernels.names)) if kernels else missing
        products = observed["products"].value
        if products is not None:
            require_products(case.precision, products, layers_in_format(case, observed["single_row_products"]))
        difference, tolerated = difference_from_eager(case, after.loop)
        return NumericsRecord(
            **observed,
            **stored_weights_read(case, after.loop),
            **quantized_parts(case),
            timed_logits_dtype=str(after.loop.run_on(case.data.examples[-1]).dtype),
            difference_from_eager=difference,
            difference_tolerated=tolerated,
            same_bits_as_eager=difference == 0,
        )


def layers_in_format(case: MeasuredCase, single_row_products: int) -> int:
    """Return how many layers multiply in the case's own format, at least."""
    if case.precision.is_quantized:
        return len(case.precision.quantized_layers(case.model))
    return len(matrix_layers(case.model)) - single_row_products


def quantized_parts(case: MeasuredCase) -> dict[str, Any]:
    """Return what of the FP32 model's factors of matrix products the case's model stores in its format."""
    if not case.precision.is_quantized:
        return {"quantized_share": Figure(None, reason=NOT_QUANTIZED)}
    with baseline().running(case.settings.device, keeps_casts=False):
        factors = factors_of(case.baseline_model())
    coverage = coverage_of(factors, case.model, case.precision.weights)
    return {
        "quantized_share": Figure(coverage.share),
        "left_out_bytes": coverage.left_out,
        "not_counted_bytes": coverage.not_counted,
    }


def stored_weights_read(case: MeasuredCase, loop: ForwardLoop) -> dict[str, Any]:
    """Return how many quantized layers' weights were changed, and how many of them the timed execution reads.

    Raises `PrecisionError` where it does not read one.
    """
    if not case.precision.is_quantized:
        return {"weights_changed": 0, "weights_read": Figure(None, reason=NOT_QUANTIZED)}
    layers, batch = case.precision.quantized_layers(case.model), case.data.examples[-1]
    number = len(layers) if case.settings.device.type == "cuda" else CHANGED_ON_CPU
    chosen = {name: layers[name] for name in evenly_chosen(layers, number)}
    read = require_stored_weights_read(chosen, partial(loop.run_on, batch), partial(case.eager, batch))
    if read is None:
        unstable = Figure[int](None, reason="two forwards of one batch are not the same bit for bit")
        return {"weights_changed": 0, "weights_read": unstable}
    return {"weights_changed": len(chosen), "weights_read": Figure(read)}


def difference_from_eager(case: MeasuredCase, loop: ForwardLoop) -> tuple[float, float]:
    """Return the largest relative difference of the loop's logits from eager ones over batches, and what it may be.

    0 where they are the same bit for bit. Raises `CaptureError` where it is beyond what the precision explains.
    """
    tolerance = case.precision.tolerance
    if case.execution.traits.is_reference:
        return 0.0, tolerance
    eager, differences = case.eager, [0.0]
    for variant in case.data.variant_shares:
        for batch in case.data.of_variant(variant, COMPARED_BATCHES):
            expected: torch.Tensor = eager(batch).clone()
            logits = loop.run_on(batch)
            if torch.equal(logits, expected):
                continue
            # An infinite distance, of NaN in other places, is beyond any tolerance.
            if tolerance < logits_distance(logits, expected, batch.attention_mask) < math.inf:
                tolerance = max(tolerance, OWN_DISTANCES * distance_from_baseline(case, batch, expected))
            differences.append(require_same_logits(logits, expected, batch.attention_mask, tolerance, case.case.id))
    return max(differences), tolerance


def distance_from_baseline(case: MeasuredCase, batch: Batch, logits: torch.Tensor) -> float:
    """Return the distance of a precision's eager logits from the baseline's, 0 where it is the baseline itself."""
    if case.precision.is_baseline:
        return 0.0
    with baseline().running(case.settings.device):
        eager = reference().prepare(case.baseline_model(), case.data.examples, workload=case.workload)
        return logits_distance(logits, eager(batch), batch.attention_mask)


def numerics(model: transformers.PreTrainedModel, eager: Forward, batch: Batch) -> dict[str, Any]:
    """Return the dtypes, switches, casts and products of one eager forward, run here for the purpose.

    Call it inside `Precision.running`, after a first forward, so that autocast holds its casts of the weights: what is
    counted then are the casts that every further forward makes. A quantized parameter counts under its class and the
    dtypes that it is stored in.
    """
    logits, casts, products, single_rows = watched_forward(eager, batch)
    parameters = Counter(storage_of(parameter) for parameter in model.parameters())
    return {
        "parameter_dtypes": dict(parameters),
        "parameter_bytes": bytes_by_storage(model),
        "logits_dtype": str(logits.dtype),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_allow_tf32": torch.backends.cudnn.allow_tf32,
        "attention_implementation": model.config._attn_implementation,
        "casts": sum(casts.values()),
        "casts_by_dtype": dict(casts),
        "products": Figure(dict(products)),
        "single_row_products": single_rows,
    }


def watched_forward(eager: Forward, batch: Batch) -> tuple[torch.Tensor, Counter[str], Counter[str], int]:
    """Run one forward; return its logits, its casts between floating-point dtypes, and its matrix products by name.

    Last comes how many of the products of a layer with a bias have one row, as in a classifier that looks at one token.
    """
    casts: Counter[str] = Counter()
    products: Counter[str] = Counter()
    single_rows: list[str] = []

    def watch(operator: Any, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> None:  # noqa: ANN401
        name = operator.overloadpacket.__name__
        if name in PRODUCT_OPERATORS:
            products[name] += 1
        if name == "addmm" and arguments[1].shape[0] == 1 and arguments[2].shape[1] >= SMALLEST_LAYER:
            single_rows.append(name)
        if operator.overloadpacket not in CONVERSIONS:
            return
        source, target = arguments[0].dtype, options.get("dtype", arguments[1] if len(arguments) > 1 else None)
        is_float = source.is_floating_point and isinstance(target, torch.dtype) and target.is_floating_point
        if is_float and source != target:
            casts[f"{source} to {target}"] += 1

    with OperatorWatch(watch):
        return eager(batch), casts, products, len(single_rows)


def require_products(precision: Precision, products: Mapping[str, int], layers: int) -> None:
    """Raise `PrecisionError` unless each of a model's matrix layers multiplies in the precision's format.

    `products`: names of kernels or operators that multiply matrices in one forward, and their numbers.
    """
    if precision.products is None:
        return
    count = precision.products.count(products)
    if count < max(layers, 1):
        others = {name: number for name, number in products.items() if not precision.products.count({name: 1})}
        most = max(others, key=lambda name: others[name], default=None)
        instead = "none multiplies matrices at all" if most is None else f"{others[most]} are {most[:120]}"
        raise PrecisionError(
            f"{precision.name} multiplies in its own format in {count} products of a forward; expected {layers}, one a "
            f"layer. Of the others {instead}."
        )
