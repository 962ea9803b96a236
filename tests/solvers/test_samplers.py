"""Every sampler on every path, against a Gaussian whose best network is known."""

from __future__ import annotations

import math

import pytest
import torch
from fmbench_plugins.smld import Ladder

from fmbench import paths
from fmbench.errors import FmbenchError
from fmbench.methods.gaussian_path import Guided
from fmbench.paths import gaussian
from fmbench.paths.objectives import readable
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import counted
from fmbench.testing.oracles import GaussianLaw, oracle_method
from tests.helpers import SAMPLERS, own_options

ENOUGH = {
    "euler": 400, "midpoint": 100, "heun": 100, "rk4": 50, "ancestral": 1000, "ddim": 1000, "dpm-solver": 100,
    "euler-maruyama": 1000, "reverse-diffusion": 1500, "pc": 700, "pc-em": 700, "langevin": 100,
}  # fmt: skip
FIXED_ODE = {"euler", "midpoint", "heun", "rk4"}


def starts_from_data(path):
    """Whether it is a diffusion: some data are left at its noise end."""
    return path.at(torch.tensor([path.t_min]).double()).alpha > 0


def settings_for(name, path):
    steps = ENOUGH.get(name, 0)
    if starts_from_data(path) and name in FIXED_ODE:  # diffusion paths are stiff near the data
        steps *= 8 if name == "euler" else 4
    return Sampler(name=name, steps=steps, **own_options(name))


def assert_moments(x, law):
    """Within four standard errors: of the mean, and of the covariance of a Gaussian sample."""
    n = len(x)
    deviation = law.covariance.diagonal().sqrt()
    assert ((x.mean(0) - law.mean).abs() < 4 * deviation / math.sqrt(n)).all()
    outer = law.covariance.diagonal()[:, None] * law.covariance.diagonal()
    tolerance = 4 * ((outer + law.covariance**2) / n).sqrt()
    assert ((torch.cov(x.T) - law.covariance).abs() < tolerance).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_reaches_the_mean_and_covariance(law, path, generator, name):
    predicts = "noise" if starts_from_data(path) else "velocity"
    x = oracle_method(law, path, predicts).sample(3000, settings_for(name, path), generator)
    assert_moments(x, law)


@pytest.mark.parametrize("name", ["dopri5", "ddim", "euler-maruyama"])
@pytest.mark.parametrize("predicts", ["noise", "score", "data"])
@pytest.mark.parametrize("blind", [paths.CondOT(), paths.Linear(), paths.Trig()], ids=["cond-ot", "linear", "trig"])
def test_predictions_that_say_nothing_at_an_end_are_read_beside_it(law, generator, blind, predicts, name):
    """At t = 0 the noise is x itself, at t = 1 the data are: neither tells the other."""
    method = oracle_method(law, blind, predicts)
    assert_moments(method.sample(3000, settings_for(name, blind), generator), law)
    if name == "dopri5":
        x = law.sample(200, generator)
        assert (method.log_prob(x, LikelihoodSettings(), generator).value - law.log_prob(x)).mean().abs() < 1e-3


@pytest.mark.parametrize(
    ("path", "predicts", "expected"),
    [
        (paths.CondOT(), "velocity", (-math.inf, math.inf)),
        (paths.CondOT(), "data", (-math.inf, math.inf)),  # sigma ends at sigma_min
        (paths.CondOT(), "noise", (1e-3, math.inf)),
        (paths.Trig(), "score", (1e-3, 1 - 1e-3)),
        (paths.Linear(), "data", (-math.inf, 1 - 1e-3)),
        (paths.VP(), "noise", (-math.inf, math.inf)),
        (paths.VE(), "score", (-math.inf, math.inf)),
    ],
)
def test_they_are_read_everywhere_else_as_they_are(path, predicts, expected):
    assert readable(predicts, path) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(name for name, spec in SAMPLERS.items() if not spec.adaptive))
def test_calls_are_those_of_the_formula(law, generator, name):
    steps, corrections = 7, 3 if "corrections" in SAMPLERS[name].options else 0
    calls = {"midpoint": 2, "heun": 2, "rk4": 4}.get(name, 1) * steps
    if SAMPLERS[name].needs == "score":
        calls = (steps * corrections if name == "langevin" else steps * (1 + corrections)) + 1
    method = oracle_method(law, paths.VP(), "noise")
    with counted(method) as count:
        method.sample(5, Sampler(name=name, steps=steps, corrections=corrections, snr=0.1), generator)
    assert count.calls == calls
    assert count.rows == 5 * calls


class TestReverseSDE:
    def test_its_diffusion_is_that_of_the_forward_process(self):
        """g^2 = beta for VP, beta (1 - exp(-2 T)) for sub-VP, d sigma^2 / ds for VE: Song et al. 2021."""
        t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
        vp = paths.VP()
        beta, total = vp._schedule(t)
        torch.testing.assert_close(vp.diffusion(t), beta)
        torch.testing.assert_close(paths.SubVP().diffusion(t), beta * (1 - torch.exp(-2 * total)))
        ve = paths.VE()
        c = ve.at(t)
        torch.testing.assert_close(ve.diffusion(t), -2 * c.sigma * c.d_sigma)

    @pytest.mark.parametrize("kind", ["cond-ot", "linear", "trig"])
    def test_it_is_finite_where_alpha_is_zero(self, kind):
        path = {"cond-ot": paths.CondOT(), "linear": paths.Linear(), "trig": paths.Trig()}[kind]
        t = torch.linspace(0, 1, 11, dtype=torch.float64)
        assert torch.isfinite(path.diffusion(t)).all()
        assert (path.diffusion(t) >= 0).all()

    def test_a_corrector_alone_keeps_the_marginal(self, law, generator):
        """Langevin at one time leaves the law at that time in place, up to a bias of its step."""
        from fmbench.solvers.sde import corrected

        path, t = paths.VP(), torch.tensor(0.6, dtype=torch.float64)
        method = oracle_method(law, path, "noise")
        c = path.at(t)
        x = c.alpha * law.sample(4000, generator) + c.sigma * torch.randn(4000, 3, generator=generator).double()
        for _ in range(40):
            x = corrected(method, x, t, 0.1, torch.randn(4000, 3, generator=generator).double())
        marginal = GaussianLaw(c.alpha * law.mean, c.alpha**2 * law.covariance + c.sigma**2 * torch.eye(3))
        assert_moments(x, marginal)

    def test_samples_do_not_depend_on_their_neighbours(self, law):
        """The corrector's step takes no norm over the batch."""
        from fmbench.solvers.sde import corrected

        method, t = oracle_method(law, paths.VE(), "noise"), torch.tensor(0.5, dtype=torch.float64)
        x = law.sample(6, torch.Generator().manual_seed(0))
        noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()
        together = corrected(method, x, t, 0.16, noise)
        torch.testing.assert_close(together[:2], corrected(method, x[:2], t, 0.16, noise[:2]), rtol=1e-5, atol=1e-5)


class TestLevels:
    def test_levels_are_equally_spaced_in_log_snr(self, path):
        levels = path.levels(9)
        steps = path.log_snr(levels).diff()
        torch.testing.assert_close(steps, steps[:1].expand(8), rtol=1e-6, atol=1e-9)
        assert path.t_min <= levels[0] < levels[-1] <= 1 - gaussian.LEVEL_MARGIN + 1e-12

    def test_a_ladder_is_geometric_and_draws_only_its_levels(self, generator):
        ladder = Ladder(0.1, 10.0, count=5)
        t = ladder.sample_time(1000, generator)
        assert set((t * 4).tolist()) == {0, 1, 2, 3, 4}
        sigma = ladder.at(ladder.levels(5)).sigma
        torch.testing.assert_close(sigma[1:] / sigma[:-1], torch.full((4,), 100**-0.25).double())
        assert ladder.levels(3).tolist() == [0, 0.5, 1]

    def test_more_levels_than_the_ladder_has_are_refused(self):
        with pytest.raises(FmbenchError, match=r"sampler.steps = 6: must be from 2 to options.smld.levels = 5"):
            Ladder(0.1, 10.0, count=5).levels(6)


class TestExponential:
    def test_ddim_is_exact_for_a_point_mass_in_one_step(self, generator):
        """The data estimate is then constant, and the integrator exact whatever the step."""
        law = GaussianLaw(torch.tensor([0.5, -1.0]).double(), 1e-12 * torch.eye(2).double())
        for name in ("ddim", "dpm-solver"):
            x = oracle_method(law, paths.VP(), "noise").sample(50, Sampler(name=name, steps=1), generator)
            torch.testing.assert_close(x, law.mean.expand(50, 2), rtol=1e-3, atol=2e-3)

    @pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpm-solver", 2)])
    def test_it_converges_at_its_order(self, law, name, order):
        method = oracle_method(law, paths.VP(), "data")
        exact = method.sample(200, Sampler(name="dopri5", rtol=1e-8, atol=1e-8), torch.Generator().manual_seed(0))
        errors = []
        for steps in (40, 80):
            x = method.sample(200, Sampler(name=name, steps=steps), torch.Generator().manual_seed(0))
            errors.append((x - exact).abs().mean().item())
        assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.45)


class TestGuidance:
    def test_it_extrapolates_from_the_unconditional_estimate(self, law, generator):
        """Ho and Salimans 2022, eq. 6, at one point."""

        class Shifted(torch.nn.Module):
            def forward(self, _t, x, labels):
                return x + labels[:, None].to(x.dtype)

        from fmbench.methods.base import Task
        from fmbench.methods.gaussian_path import GaussianPathMethod

        method = GaussianPathMethod(Task((3,), 1.0, lambda _: Shifted(), classes=2), path=paths.Linear()).eval()
        x, labels = law.sample(4, generator), torch.tensor([0, 1, 1, 0])
        plain = method.estimate(0.3, x).value  # "no class" is label 2
        conditional = method.estimate(0.3, x, labels).value
        assert not torch.equal(plain, conditional)
        for guidance in (0.0, 1.0, 3.0):
            got = Guided(method, labels, guidance).estimate(0.3, x).value
            torch.testing.assert_close(got, (1 - guidance) * plain + guidance * conditional)


class EightModes(torch.nn.Module):
    """The best noise prediction for eight equal Gaussians on a circle, in closed form."""

    STD = 0.1

    def __init__(self, path, rms):
        super().__init__()
        self.path, self.rms = path, rms
        angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
        self.centres = math.sqrt(2) * torch.stack([angles.cos(), angles.sin()], dim=1)

    def forward(self, t, x):
        c = self.path.coefficients(t.double().expand(len(x)), x.double())
        point = x.double() * c.rms(self.rms)
        total = c.alpha**2 * self.STD**2 + c.sigma**2
        apart = point[:, None] - c.alpha[:, :, None] * self.centres
        share = torch.softmax(-0.5 * apart.square().sum(-1) / total, dim=1)
        return (c.sigma / total * (share[:, :, None] * apart).sum(1)).float()


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("kind", ["vp", "ve"])
def test_every_sampler_finds_all_eight_modes_in_equal_shares(generator, name, kind):
    from fmbench.methods.base import Task
    from fmbench.methods.gaussian_path import GaussianPathMethod

    path, n = {"vp": paths.VP(), "ve": paths.VE()}[kind], 2000
    rms = math.sqrt(1 + EightModes.STD**2)
    model = type("Modes", (GaussianPathMethod,), {"predicts": "noise"})
    method = model(Task((2,), rms, lambda _: EightModes(path, rms)), path=path).eval()
    spec = SAMPLERS[name]
    steps = {"langevin": 50, "euler": 400, "ancestral": 300, "euler-maruyama": 300, "reverse-diffusion": 300}.get(
        name, 0 if spec.adaptive else 150
    )
    own = own_options(name)
    settings = Sampler(name=name, steps=steps, **{**own, **({"corrections": 10} if name == "langevin" else {})})
    x = method.sample(n, settings, generator)
    distance, nearest = torch.cdist(x, method.network.network.centres).min(dim=1)
    shares = torch.bincount(nearest[distance < 4 * EightModes.STD], minlength=8) / n
    assert shares.sum() > 0.97
    assert (shares - 1 / 8).abs().max() < 5 * math.sqrt(7 / 64 / n) + 0.01
