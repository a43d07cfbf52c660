"""A precision of mixed storage in one file: the body in BF16, the output layer in FP32."""

from __future__ import annotations

import torch

from fixtures.device.requirements import BF16
from fixtures.precisions.precision import Precision


class Float32Output(torch.nn.Linear):
    """An output layer that multiplies in FP32, whatever the features are in."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return FP32 logits of features [..., hidden]."""
        return super().forward(features.float())


def with_float32_output(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model with an output layer of its own in FP32, no longer tied to the embeddings."""
    tied = model.get_output_embeddings()
    output = Float32Output(tied.in_features, tied.out_features, bias=False, device=tied.weight.device)
    output.weight = torch.nn.Parameter(tied.weight.detach().float(), requires_grad=False)
    model.set_output_embeddings(output)
    return model


def stored(parameter: str) -> torch.dtype:
    """Return what a parameter is stored in, by its name."""
    return torch.float32 if parameter.startswith("lm_head.") else torch.bfloat16


BF16_HEAD32 = Precision(
    "bf16_head32",
    "BF16 weights and activations, the output layer in FP32",
    torch.bfloat16,
    transform=with_float32_output,
    stored=stored,
    logits=torch.float32,
    requires=(BF16,),
    tolerance=0.04,
)
