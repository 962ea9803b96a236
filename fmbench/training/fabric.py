"""The devices of a run, through Lightning Fabric: the only module that knows of it."""

from __future__ import annotations

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.nn import Module

from fmbench.execution import Execution
from fmbench.training.devices import rank


class Gathered(DDPStrategy):
    """One process per device, without DistributedDataParallel around the module: the trainer adds up the gradients."""

    def setup_module(self, module: Module) -> Module:  # type: ignore[override]  # not wrapped
        """The module as it is."""
        return module


def connect(execution: Execution) -> Fabric:
    """The devices of a run; with several of them, this process joins the others that torchrun has started.

    Raises:
        FmbenchError: torchrun has not started as many.
    """
    if execution.devices == 1:
        return Fabric(accelerator=execution.device, devices=1)
    rank(execution.devices)
    fabric = Fabric(accelerator=execution.device, devices=execution.devices, strategy=Gathered())
    fabric.launch()
    return fabric
