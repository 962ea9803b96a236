"""A small residual flow whose blocks bend, for the tests of its parts."""

from __future__ import annotations

import torch
from fmbench_plugins.residual_flow import ResidualFlow, SpectralLinear

from fmbench.methods.base import Task

OPTIONS = {"blocks": 3, "width": 16, "coeff": 0.95, "terms": 3}


def build(shape=(2,), kind=ResidualFlow, bounds=None, **changed):
    """A float64 flow whose blocks bend: biases, norms and sharpness away from their initial values."""
    torch.manual_seed(0)
    extra = {"roulette": 0.5} if kind is ResidualFlow else {}
    method = kind(Task(shape, 0.8, lambda _: None, bounds=bounds), **{**OPTIONS, **extra, **changed}).double()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, dtype=torch.float64))
        for part in method.modules():
            if isinstance(part, SpectralLinear):
                part.weight.add_(torch.randn(part.weight.shape, dtype=torch.float64))
                part.advance(200)
    return method


def to_base(method, x):
    """The base point z, of shape (n, d), of points of shape (n, *shape): the flow without its log-determinant."""
    z = method.logit.forward(x)[0].flatten(1)
    for block in method.blocks:
        z, _ = block(z)
    return method.last(z)
