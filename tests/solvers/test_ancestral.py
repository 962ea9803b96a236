from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from fmbench import paths
from fmbench.request.schema import Sampler
from fmbench.solvers import ancestral
from fmbench.solvers.nfe import counted
from fmbench.testing.oracles import oracle_method


def test_the_grid_reproduces_the_betas_of_ho_et_al():
    """Linear from 1e-4 to 0.02 in 1000 steps: the continuous VP path, sampled, agrees to its discretisation."""
    path = paths.VP()
    times = ancestral.grid(path, 1000, torch.device("cpu"))
    betas = torch.stack([ancestral.posterior(path, t, s).forward for t, s in pairwise(times)]).flip(0)
    expected = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    torch.testing.assert_close(betas, expected, rtol=0.02, atol=1.5e-5)


def test_posterior_is_bayes_rule_for_gaussians():
    """q(x_s | x_t, x1) from precisions, written out independently."""
    path = paths.VP()
    t, s = torch.tensor(0.3, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    now, later = path.at(t), path.at(s)
    ratio = now.alpha / later.alpha
    step = now.sigma**2 - ratio**2 * later.sigma**2
    precision = 1 / later.sigma**2 + ratio**2 / step
    got = ancestral.posterior(path, t, s)
    torch.testing.assert_close(got.variance, 1 / precision)
    torch.testing.assert_close(got.from_x, ratio / step / precision)
    torch.testing.assert_close(got.from_data, later.alpha / later.sigma**2 / precision)


@pytest.mark.parametrize("steps", [1, 20, 250])
def test_nfe_is_the_number_of_steps(law, generator, steps):
    method = oracle_method(law, paths.VP(), "noise")
    with counted(method) as count:
        method.sample(5, Sampler(name="ancestral", steps=steps), generator)
    assert count.calls == steps


def test_the_last_step_adds_no_noise(law, generator):
    path = paths.VP()
    times = ancestral.grid(path, 10, torch.device("cpu"))
    last = ancestral.posterior(path, times[-2], times[-1])
    assert last.variance == 0
    assert (last.from_x, last.from_data) == (0, 1)
