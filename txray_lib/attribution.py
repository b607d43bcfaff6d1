"""Attribution: how much of one output each token of a text accounts for. May touch: nothing but torch.

Two methods with one unit, that of the output, and one baseline, the vector that stands for a token which is not there.

 integrated_gradients  the gradient summed along the straight path from the baselines to the tokens
 occlusion             what the output loses when one token is replaced by its baseline

An output is a function from token vectors (batch, tokens, size) to numbers (batch,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Output = Callable[[Tensor], Tensor]

STEPS = 256
"""Points of the path: the middles of as many equal parts of it. The error falls with their square."""


def integrated_gradients(output: Output, tokens: Tensor, baseline: Tensor, steps: int = STEPS) -> Tensor:
    """The share of each token in output(tokens) − output(baseline), (tokens,); the shares sum to that difference, up to the
    error of the sum over `steps` points.

    tokens, baseline  vectors (tokens, size)
    """
    at = ((torch.arange(steps, dtype=tokens.dtype) + 0.5) / steps)[:, None, None]
    path = (baseline + at * (tokens - baseline)).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(output(path).sum(), path)
    return ((tokens - baseline) * gradient.mean(dim=0)).sum(dim=-1).detach()


@torch.no_grad()
def occlusion(output: Output, tokens: Tensor, baseline: Tensor) -> Tensor:
    """output(tokens) less the output with one token replaced by its baseline, for each token, (tokens,).

    tokens, baseline  vectors (tokens, size)
    """
    batch = tokens.repeat(len(tokens) + 1, 1, 1)
    each = torch.arange(len(tokens))
    batch[each, each] = baseline
    values = output(batch)
    return values[-1] - values[:-1]
