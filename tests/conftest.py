"""Shared fixtures: a correlated law, every path, seeded randomness."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from fmbench_plugins.edm import Karras

from fmbench import paths
from fmbench.testing.oracles import GaussianLaw

# One thread in a worker of pytest and in what it starts: two pools of threads on the same cores wait for each other at
# every barrier, and a test takes ten times as long.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

PATHS = {
    "cond-ot": paths.CondOT(),
    "linear": paths.Linear(),
    "trig": paths.Trig(),
    "vp": paths.VP(),
    "sub-vp": paths.SubVP(),
    "ve": paths.VE(),
    "cosine": paths.Cosine(),
    "karras": Karras(),
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a few tests do little but wait for processes that sleep, hang or start."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> paths.Path:
    return PATHS[request.param]


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20_261_121)


@pytest.fixture(scope="session")
def law() -> GaussianLaw:
    factor = torch.tensor([[1.2, 0.0, 0.0], [0.7, 1.1, 0.0], [-0.5, 0.4, 1.3]], dtype=torch.float64)
    return GaussianLaw(torch.tensor([0.6, -0.9, 0.3], dtype=torch.float64), factor @ factor.T)


@pytest.fixture(scope="session", autouse=True)
def heed_ctrl_c():
    """What a shell puts in the background it makes deaf to Ctrl-C, and so would be every command that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
