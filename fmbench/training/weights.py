"""A module's weights as one vector, so that clipping, the optimiser and the average are one operation each."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor, nn

ALIGNMENT = 16  # numbers; views that start on a cache line keep matrix products fast


class FlatWeights:
    """The trainable parameters of a module, turned into views of one vector.

    The module is used as before; whoever changes the vector in place changes the module. Gradients are gathered into
    a vector after each backward pass: letting autograd add them into views costs more.

    Args:
        module: whose parameters share one dtype and device.

    Raises:
        ValueError: it has no trainable parameter, or they are of several dtypes.
    """

    def __init__(self, module: nn.Module) -> None:
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        if len({parameter.dtype for parameter in self._parameters}) != 1:
            raise ValueError(f"{type(module).__name__} needs trainable parameters, all of one dtype")
        sizes = [-(-parameter.numel() // ALIGNMENT) * ALIGNMENT for parameter in self._parameters]
        self._starts = [0, *accumulate(sizes)]
        self.vector = nn.Parameter(self._parameters[0].new_zeros(self._starts[-1]))
        self.gradient = torch.zeros_like(self.vector)
        self.vector.grad = self.gradient
        self._gradients = self._views(self.gradient)
        for view, parameter in zip(self._views(self.vector.data), self._parameters, strict=True):
            view.copy_(parameter.data)
            parameter.data = view

    def _views(self, vector: Tensor) -> list[Tensor]:
        starts = zip(self._starts, self._parameters, strict=False)  # one start more, where the vector ends
        return [vector[start : start + parameter.numel()].view_as(parameter) for start, parameter in starts]

    @property
    def size(self) -> int:
        """How many numbers they are, without what fills them up to the alignment."""
        return sum(parameter.numel() for parameter in self._parameters)

    def require_gradients(self, *, wanted: bool) -> None:
        """Whether backward passes reach the parameters."""
        for parameter in self._parameters:
            parameter.requires_grad_(wanted)

    def assign(self, vector: Tensor) -> None:
        """Give the module the weights of another vector of this layout."""
        self.vector.data.copy_(vector)

    def gather_gradient(self, passes: int = 1) -> None:
        """Move the parameters' gradients, the mean of so many backward passes, into the vector.

        A parameter that the loss did not touch has none.
        """
        gradients = [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in self._parameters
        ]
        torch._foreach_copy_(self._gradients, gradients)
        for parameter in self._parameters:
            parameter.grad = None
        if passes > 1:
            self.gradient.div_(passes)

    def clip_gradient(self, largest: float) -> None:
        """Scale the gradient down to a norm of at most `largest` (Pascanu et al. 2013, algorithm 1).

        On a CPU, where reading the norm costs nothing and memory is slow, a gradient within the bound is not rewritten.
        """
        norm = torch.dot(self.gradient, self.gradient).sqrt()
        if norm.is_cuda or not norm <= largest:
            self.gradient.mul_((largest / norm).clamp(max=1.0))
