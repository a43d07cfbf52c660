"""What kernels and operators do, by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PRODUCTS, OUTPUT_LAYER, FUSED, OTHER = "matrix products", "output layer", "fused kernels", "other"


@dataclass(frozen=True)
class Group:
    """What is called alike: `kernels` and `operators` are regular expressions that find it anywhere in a name.

    `source` says where these names come from.
    """

    name: str
    kernels: str
    operators: str
    source: str

    def holds(self, name: str) -> bool:
        """Tell whether a kernel of a GPU, or an operator on a CPU, has such a name."""
        pattern = self.operators if "::" in name and name.partition("::")[0] in OPERATOR_LIBRARIES else self.kernels
        return re.search(pattern, name, re.IGNORECASE) is not None


#: What the names of operators begin with, before `::`. PyTorch's kernels are in the namespace `at`.
OPERATOR_LIBRARIES = ("aten", "mkl", "mkldnn", "mkldnn_prepacked", "onednn", "quantized", "prim", "torchao")
#: A name belongs to the first that holds it: what is fused names all that it computes, and attention multiplies too.
GROUPS: Sequence[Group] = (
    Group(
        FUSED,
        r"^triton_(?!tem_)|^## Call CompiledFxGraph|^Torch-Compiled Region|^TorchDynamo|^Pregraph"
        r"|^AOTDispatcher",
        r"(?!)",
        "torch/_inductor/codegen/triton.py: triton_, the kind of kernel, fused_, what it computes, a number; "
        "torch/_inductor/output_code.py: the C++ kernels of a compiled graph on a CPU have its name alone",
    ),
    Group(
        "attention",
        r"flash|fmha|sdpa|attention|softmax",
        r"attention|softmax",
        "aten/src/ATen/native/transformers/cuda: pytorch_flash::flash_fwd_kernel, fmha_cutlassF; cuDNN: "
        "cudnn_generated_fort_native_sdpa; aten/src/ATen/native/cuda/SoftMax.cu",
    ),
    Group(
        "norms",
        r"layer_?norm|rms_?norm|batch_?norm|group_?norm|RowwiseMoments",
        r"_norm",
        "aten/src/ATen/native/cuda/layer_norm_kernel.cu: vectorized_layer_norm_kernel",
    ),
    Group(
        PRODUCTS,
        r"gemm|gemv|nvjet|cutlass|xmma|triton_tem|splitKreduce|cublas|int4pack|convol|conv[123]d",
        r"::(addmm|mm|bmm|baddbmm|addbmm|matmul|linear|addmv|mv|dot|_int_mm|_scaled_mm|_weight_int.*|_addmm_activation)$"
        r"|linear|convol|conv[123]d",
        "numerics.products in results/reference: kernels of cuBLAS and cuBLASLt, and what adds up a split product; "
        "torch/_inductor/kernel: triton_tem; aten/src/ATen/native/native_functions.yaml",
    ),
    Group(
        "lookups",
        r"gather|index_?select|embedding|index_elementwise|index_put|scatter",
        r"embedding|index|gather|scatter|slice_scatter",
        "aten/src/ATen/native/cuda/IndexKernelUtils.cu: vectorized_gather_kernel; Indexing.cu: indexSelect",
    ),
    Group(
        "copies",
        r"^Memcpy|^Memset|memcpy32_post|copy_kernel|CatArrayBatchedCopy|FillFunctor",
        r"::(copy_|_to_copy|to|clone|contiguous|cat|stack|fill_|zero_|zeros|ones|full|repeat|constant_pad_nd)$",
        "CUPTI: Memcpy and Memset; aten/src/ATen/native/cuda/Copy.cu: direct_copy_kernel_cuda, which casts too; "
        "Shape.cu: CatArrayBatchedCopy; FillKernel.cu",
    ),
    Group(
        "reductions",
        r"reduce_kernel|reduce_1Block|dot_kernel|cub::|scan|sort|topk|argm(ax|in)",
        r"::(sum|mean|amax|amin|max|min|argmax|argmin|var|std|var_mean|all|any|cumsum|prod|norm|topk|sort|nonzero|aminmax)$",
        "aten/src/ATen/native/cuda/Reduce.cuh; CUB",
    ),
    Group(
        "elementwise",
        r"elementwise|multi_tensor_apply|triu_tril",
        r"::(add|sub|mul|div|pow|tanh|gelu|silu|relu|sigmoid|exp|log|sqrt|rsqrt|neg|abs|cos|sin|round|clamp|where|masked_fill"
        r"|reciprocal|lerp|addcmul|eq|ne|lt|le|gt|ge|bitwise_\w+|logical_\w+|__\w+__|arange|tril|triu|softplus|elu|erf"
        r"|maximum|minimum|rsub|isin|clamp_min|clamp_max|square|log_softmax|floor_divide|remainder)_?$",
        "aten/src/ATen/native/cuda/CUDALoops.cuh: vectorized_elementwise_kernel: activations, residuals, masks",
    ),
)


def group_of(name: str) -> str:
    """Return the group of a kernel or an operator."""
    return next((group.name for group in GROUPS if group.holds(name)), OTHER)


def groups_of(names: Sequence[str]) -> list[str]:
    """Return the group of each part of a forward, in their order.

    The output layer is the last matrix product of a forward, with the kernels that add up its parts behind it.
    """
    groups = [group_of(name) for name in names]
    last = max(
        (place for place, group in enumerate(groups) if group == PRODUCTS and is_whole(names[place])), default=None
    )
    if last is None:
        return groups
    return [OUTPUT_LAYER if place >= last and group == PRODUCTS else group for place, group in enumerate(groups)]


def is_whole(name: str) -> bool:
    """Tell whether a kernel of a product multiplies: one that adds up the parts of a split product does not."""
    return "reduce" not in name.lower()


def fused_name(name: str) -> str:
    """Return the name of a fused kernel without the number that tells it from others that compute the same.

    Those of a compiled graph on a CPU have no names of their own.
    """
    return re.sub(r"_\d+$", "", name) if name.startswith("triton_") else "C++ kernels of the compiled graph"
