"""A toy quantized precision: the blocks' weights as int8 with one scale, in a tensor subclass as torchao's are."""

from __future__ import annotations

import torch
from torch.utils._pytree import tree_map
from transformers.pytorch_utils import Conv1D

from fixtures.precisions.precision import Precision


class ToyInt8(torch.Tensor):
    """Claims to be float32 and is stored as int8 and a scale."""

    @staticmethod
    def __new__(cls, values: torch.Tensor, scale: torch.Tensor):
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, dtype=torch.float32, device=values.device)

    def __init__(self, values: torch.Tensor, scale: torch.Tensor) -> None:
        self.values, self.scale = values, scale

    def __tensor_flatten__(self):
        return ["values", "scale"], None

    @classmethod
    def __tensor_unflatten__(cls, inner, metadata, size, stride):
        return cls(inner["values"], inner["scale"])

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.detach.default:
            return args[0]

        def plain(value: object) -> object:
            return value.values.float() * value.scale if isinstance(value, ToyInt8) else value

        return function(*tree_map(plain, args), **tree_map(plain, kwargs or {}))


def quantize(model: torch.nn.Module) -> torch.nn.Module:
    """Quantize the weight of every Conv1D; the output layer stays as it is, and tied."""
    for module in model.modules():
        if isinstance(module, Conv1D):
            weight = module.weight.detach()
            scale = weight.abs().max() / 127
            quantized = ToyInt8((weight / scale).round().to(torch.int8), scale.reshape(1))
            module.weight = torch.nn.Parameter(quantized, requires_grad=False)
    return model


INT8 = Precision(
    "int8_toy",
    "blocks in INT8, the rest in FP32",
    torch.float32,
    transform=quantize,
    weights=torch.int8,
)
