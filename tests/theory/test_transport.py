"""What optimal transport brings to flow matching, checked numerically."""

from __future__ import annotations

import math

import pytest
import torch

from fmbench import paths
from fmbench.paths import couplings


def energy(x0, x1):
    """The kinetic energy of straight paths, E |x1 - x0|^2."""
    return (x1 - x0).square().sum(1).mean().item()


def test_minibatch_ot_lowers_the_path_energy_and_a_larger_batch_lowers_it_further(generator):
    """Tong et al. 2024, section 3.2.3 and proposition 3.3: towards the squared distance as the batch grows."""
    mean = torch.tensor([2.0, -1.0], dtype=torch.float64)
    x0 = torch.randn(4096, 2, generator=generator, dtype=torch.float64)
    x1 = mean + 0.5 * torch.randn(4096, 2, generator=generator, dtype=torch.float64)
    energies = {}
    for size in (1, 16, 128, 1024):
        batches = [
            couplings.MinibatchOT().pair(a, b, generator) if size > 1 else (a, b)
            for a, b in zip(x0.split(size), x1.split(size), strict=True)
        ]
        energies[size] = energy(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
    wasserstein = 5 + 2 * (1 - 0.5) ** 2  # between N(0, I) and N(mean, I / 4): Bures
    assert energies[1] == pytest.approx(5 + 2 * 1.25, rel=0.05)
    assert energies[1] > energies[16] > energies[128] > energies[1024]
    assert energies[1024] == pytest.approx(wasserstein, rel=0.03)


def test_the_conditional_ot_flow_is_the_displacement_map_between_its_gaussians(generator):
    """Lipman et al. 2023, section 4.1, example II; McCann 1997, with Brenier's map x1 + sigma_min x."""
    sigma_min, n = 0.2, 50_000
    path = paths.CondOT(sigma_min)
    x1 = torch.tensor([1.5, -0.5], dtype=torch.float64)
    x0 = torch.randn(n, 2, generator=generator, dtype=torch.float64)

    def flow(t):
        c = path.at(torch.tensor(t).double())
        return c.alpha * x1 + c.sigma * x0

    brenier = x1 + sigma_min * x0
    torch.testing.assert_close(flow(1.0), brenier)
    for t in (0.25, 0.6):
        torch.testing.assert_close(flow(t), (1 - t) * x0 + t * brenier)
    bures = x1.square().sum().item() + 2 * (1 - sigma_min) ** 2
    cost = (flow(1.0) - flow(0.0)).square().sum(1)
    assert cost.mean().item() == pytest.approx(bures, abs=4 * cost.std().item() / math.sqrt(n))


def test_diffusion_paths_are_longer_than_the_conditional_ot_path():
    """Lipman et al. 2023, figure 3: int E |u|^2 dt is least on straight lines at constant speed."""
    t = torch.linspace(0, 1 - 1e-3, 4001, dtype=torch.float64)
    energies = {}
    for name, path in {"cond-ot": paths.CondOT(), "vp": paths.VP(), "trig": paths.Trig()}.items():
        c = path.at(t)
        energies[name] = torch.trapezoid(c.d_alpha**2 + c.d_sigma**2, t).item()  # unit data, by coordinate
    assert energies["cond-ot"] == pytest.approx(2, rel=2e-3)
    assert energies["trig"] == pytest.approx(math.pi**2 / 4, rel=2e-3)
    assert energies["cond-ot"] < energies["trig"] < energies["vp"]


def test_the_entropic_plan_of_two_gaussians_is_that_of_the_bridge(generator):
    """The static Schroedinger bridge between N(0, 1) and N(m, s^2) is Gaussian: Bunne et al. 2023, eq. 6.

    For N(0, 1) and N(m, 1) with regularisation 2 sigma^2 its covariance is (sqrt(4 + sigma^4) - sigma^2) / 2.
    """
    sigma, n = 0.8, 1500
    x0 = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    x1 = 1.0 + torch.randn(n, 1, generator=generator, dtype=torch.float64)
    plan = torch.from_numpy(couplings.Sinkhorn(2 * sigma**2).plan(x0, x1))
    covariance = (plan * (x1 - x1.mean()) * (x0 - x0.mean()).T).sum()
    expected = (math.sqrt(4 + sigma**4) - sigma**2) / 2
    assert covariance.item() == pytest.approx(expected, abs=0.06)
