"""The floating-point operations of one forward, counted from the shapes of its operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from core.errors import first_line


def attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_options: object, **_more_options: object
) -> int:
    """Return the FLOPs of softmax(Q K^T) V from the shapes [batch, heads, tokens, features] of Q, K and V.

    Q K^T takes 2 b h s_q s_k d_q, the product with V 2 b h s_q s_k d_v (a multiply-add is two), where h are the heads
    of the query: in grouped-query attention several of them read the same key and value, which saves memory and no
    arithmetic. What a causal mask or a sliding window leaves out is counted too. Source: `sdpa_flop_count` of
    `torch.utils.flop_counter`, which in PyTorch 2.6 to 2.11 fails unless query and key have as many heads.
    """
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def product_flops(left: Sequence[int], right: Sequence[int], *_options: object, **_more_options: object) -> int:
    """Return the operations of a matrix product from the shapes of its factors, [m, k] and [k, n]: 2 m k n."""
    return 2 * math.prod(left) * right[-1]


#: What PyTorch's counter has no formula for: attention as it is dispatched, and products of INT8.
FORMULAS = {
    torch.ops.aten._scaled_dot_product_flash_attention: attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
    torch.ops.aten._scaled_dot_product_efficient_attention: attention_flops,
    torch.ops.aten._scaled_dot_product_cudnn_attention: attention_flops,
    torch.ops.aten._int_mm: product_flops,
}


def count_flops(forward: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, int | None, str | None]:
    """Run a forward; return its logits, the FLOPs of its matrix products, convolutions and attention, and no reason.

    Where the counter cannot count one of its operators, FLOPs are None with the reason; the logits are then of a second
    forward, which raises again what is wrong with the forward itself.
    """
    counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
    try:
        with counter:
            logits = forward()
    except AssertionError as error:  # how its formulas say that shapes are not what they expect
        reason = f"PyTorch's FLOP counter cannot count an operator of this model ({first_line(error)})"
        return forward(), None, reason
    return logits, counter.get_total_flops(), None
