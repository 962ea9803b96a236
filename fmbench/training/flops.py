"""Floating-point operations, counted as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from fmbench.store.files import append_traceback
from fmbench.training.rehearsal import rehearsal


class FlopCounter(TorchDispatchMode):
    """Adds up what torch's own formulas say of every product while the block runs, forward, backward and tangent.

    Unlike `torch.utils.flop_counter.FlopCounterMode` it follows no modules, so that a loss may ask for the gradient of
    its input; and a product with a tangent that is zero by construction, as that of the weights in `torch.func.jvp`,
    is no work that a method asks for: a Jacobian-vector product costs two forward passes, not three.

    >>> import torch
    >>> layer = torch.nn.Linear(3, 5)
    >>> with FlopCounter() as counter:
    ...     y = layer(torch.ones(2, 3))
    >>> counter.total  # a multiplication and an addition for each of 2 rows and 3 x 5 weights
    60
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total: int = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do it, and count it."""
        del types
        options = dict(kwargs or {})
        out = func(*args, **options)
        formula = flop_registry.get(func._overloadpacket)  # noqa: SLF001 - the key of torch's table
        if formula is not None and not any(is_zero(part) for part in tree_leaves((args, options))):
            self.total += int(formula(*args, **options, out_val=out))
        return out


def is_zero(part: Any) -> bool:
    """Whether it is a tensor of zeros by construction: one zero, seen as many."""
    if not isinstance(part, Tensor):
        return False
    if part._is_zerotensor():  # noqa: SLF001 - it holds no number that could be read
        return True
    return part.numel() > 1 and not any(part.stride()) and part[(0,) * part.ndim].item() == 0


def flops_of(step: Callable[[], None], module: nn.Module, log: Path) -> int | None:
    """Count the FLOPs of a training step, which leaves no trace in the module.

    Args:
        step: computes gradients.
        module: whose buffers and gradients are put back.
        log: where to say why it could not be counted: a cost that is not known is no reason to lose what was trained.
    """
    try:
        with rehearsal(module), FlopCounter() as counter:
            step()
    except Exception:  # noqa: BLE001 - a stranger's loss may raise anything when it runs under a counter
        append_traceback(log, "the FLOPs of a training step could not be counted")
        return None
    total: int = counter.total
    return total
