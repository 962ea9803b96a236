"""Whether a network answers as methods will ask it: tried once on two points, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fmbench.errors import ContractError

POINTS = 2
TIMES = {f"({POINTS},)": torch.tensor([0.25, 0.75]), "(1,)": torch.tensor([0.5])}
"""What `t` may be: one time per point, or one for all."""


def try_network(
    name: str,
    network: nn.Module,
    shape: tuple[int, ...],
    classes: int = 0,
    times: int = 1,
    given: tuple[int, ...] = (),
) -> None:
    """Call a fresh network as (t, x), with labels, an image that is given, and a second time where it takes them.

    It is left as it was, and so is torch's generator.

    Args:
        name: of the network, for people.
        network: on the CPU.
        shape: of one point.
        classes: that it was built for; 0 for none.
        times: that it takes.
        given: shape of the image that is given beside each point; () for none.

    Raises:
        ContractError: it fails, gives something else than an output shaped as x, or is random in evaluation mode.
    """
    training = network.training
    with torch.random.fork_rng(devices=()), torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(POINTS, *shape, generator=generator)
        labels = (torch.arange(POINTS) * classes,) if classes else ()
        if given:
            labels = (torch.randn(POINTS, *given, generator=generator),)
        network.eval()
        for said, t in TIMES.items():
            second = {"r": t} if times == 2 else {}
            _try_once(name, said, x, partial(network, t, x, *labels, **second))
        network.train(training)


def _try_once(name: str, said: str, x: Tensor, call: Callable[[], Any]) -> None:
    """Two calls with the same input.

    Raises:
        ContractError: see `try_network`.
    """
    asked = f"network {name!r}, asked for {len(x)} points of shape {tuple(x.shape[1:])} at t of shape {said},"
    try:
        answers = call(), call()
    except Exception as error:  # a stranger's network may raise anything: it is raised on, with what was asked
        text = " ".join(str(error).split())
        raise ContractError(
            f"{asked} fails: {type(error).__name__}: {text}; t is (n,), or (1,) for one time of all points"
        ) from error
    for answer in answers:
        if not isinstance(answer, Tensor) or answer.shape != x.shape or not answer.is_floating_point():
            found = f"{answer.dtype} of shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer)
            raise ContractError(f"{asked} gives {found}: it must give floating-point numbers of shape {tuple(x.shape)}")
    if not torch.equal(*answers):
        raise ContractError(f"{asked} gives other numbers at a second call: in evaluation mode it must not be random")
