"""The kernels of a forward of GPT-2 in FP16 at 1 x 128: name as CUPTI gives it, microseconds of one, and how many.

The names are those of PyTorch 2.11 on Hopper, the times are rounded. The last product is the output layer.
"""

from __future__ import annotations

LAMBDA = "::{lambda()#1}::operator()() const::{lambda(c10::Half)#1}"
VECTORIZED = "void at::native::vectorized_elementwise_kernel<4, "
NORM = "void at::native::(anonymous namespace)::vectorized_layer_norm_kernel<c10::Half, float, false>(int, float, …)"
FLASH = (
    "void pytorch_flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 128, 4, false, false, cutlass::half_t, …>>"
)
OUTPUT = (
    "void cutlass::Kernel2<cutlass_75_tensorop_f16_s1688gemm_f16_128x128_tn_align1>"
    "(cutlass_75_tensorop_f16_s1688gemm_f16_128x128_tn_align1::Params)"
)
Profile = list[tuple[str, float, int]]
EAGER: Profile = [
    ("void at::native::vectorized_gather_kernel<16, long>(char*, char*, long*, int, …)", 2.0, 2),
    (f"{VECTORIZED}at::native::CUDAFunctor_add<c10::Half>, std::array<char*, 3ul> >(int, …)", 1.5, 25),
    (NORM, 2.6, 25),
    ("nvjet_sm90_hsh_64x64_64x13_4x2_h_bz_bias_NNT", 5.0, 24),
    ("nvjet_sm90_hsh_64x32_64x16_4x2_h_bz_splitK_bias_NNT", 6.0, 24),
    ("void cublasLt::splitKreduce_kernel<32, 16, int, float, __half, float, __half, true, …>(…)", 2.0, 24),
    (FLASH, 5.5, 12),
    (f"{VECTORIZED}at::native::tanh_kernel_cuda(at::TensorIteratorBase&){LAMBDA}, std::array<char*, 2ul> >", 1.6, 12),
    (f"{VECTORIZED}at::native::(anonymous namespace)::pow_tensor_scalar_kernel_impl<c10::Half, …>", 1.7, 12),
    (f"{VECTORIZED}at::native::AUnaryFunctor<c10::Half, c10::Half, c10::Half, …MulFunctor<float> >", 1.5, 36),
    (
        "void at::native::(anonymous namespace)::elementwise_kernel_with_index<int, at::native::arange_cuda_out…>",
        1.5,
        1,
    ),
    ("Memcpy DtoD (Device -> Device)", 1.2, 1),
    (OUTPUT, 127.0, 1),
]
COMPILED: Profile = [
    ("triton_per_fused_add_arange_embedding_native_layer_norm_0", 3.0, 1),
    ("nvjet_sm90_hsh_64x64_64x13_4x2_h_bz_bias_NNT", 5.0, 24),
    ("nvjet_sm90_hsh_64x32_64x16_4x2_h_bz_splitK_bias_NNT", 6.0, 24),
    ("void cublasLt::splitKreduce_kernel<32, 16, int, float, __half, float, __half, true, …>(…)", 2.0, 24),
    (FLASH, 5.5, 12),
    ("triton_poi_fused_add_mul_pow_tanh_view_4", 2.2, 12),
    ("triton_per_fused_add_native_layer_norm_view_5", 2.4, 24),
    ("Memcpy DtoD (Device -> Device)", 1.2, 1),
    (OUTPUT, 127.0, 1),
]
