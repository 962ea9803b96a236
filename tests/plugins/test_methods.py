"""Every registered method is tested by existing."""

from __future__ import annotations

import math

import pytest
import torch

from fmbench.config import Sampler
from fmbench.discovery import load_plugins
from fmbench.likelihood import LikelihoodSettings
from fmbench.method import Batch, Method, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.solvers import SAMPLERS
from fmbench.solvers.nfe import counted

METHODS = list(load_plugins(environ={}).methods)
SHAPES = [(2,), (1, 4, 4)]


def build(spec, shape=(2,)):
    torch.manual_seed(0)
    task = Task(shape, 0.8, lambda s: ResidualMLP(s, width=16, depth=1, time_width=8))
    return spec.load()(task, **{key: option.default for key, option in spec.options.items()})


def batch_of(shape, n=64):
    generator = torch.Generator().manual_seed(1)
    return Batch(0.8 * torch.randn(n, *shape, generator=generator), None, generator)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
class TestEveryMethod:
    def test_says_where_it_comes_from(self, spec):
        assert spec.summary
        assert spec.paper
        assert spec.family != "other"
        assert all(option.help for option in spec.options.values())

    @pytest.mark.parametrize("shape", SHAPES)
    def test_loss_is_a_finite_scalar_that_training_lowers(self, spec, shape):
        method = build(spec, shape)
        assert isinstance(method, Method)
        optimiser = torch.optim.Adam(method.parameters(), 1e-2)
        losses = []
        for _ in range(60):
            optimiser.zero_grad()
            loss = method.loss(batch_of(shape))  # the same draw each time: it can be learnt
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert loss.shape == ()
        assert all(math.isfinite(value) for value in losses)
        assert losses[-1] < 0.8 * losses[0]

    def test_a_step_depends_on_its_generator_alone(self, spec):
        method = build(spec)
        first = method.loss(batch_of((2,)))
        torch.manual_seed(99)
        assert torch.equal(first, method.loss(batch_of((2,))))

    @pytest.mark.parametrize("shape", SHAPES)
    def test_every_sampler_it_can_use(self, spec, shape):
        method = build(spec, shape).eval()
        usable = [name for name, sampler in SAMPLERS.items() if sampler.needs in spec.provides]
        for name in {*usable, spec.native_sampler}:
            steps = 0 if name in SAMPLERS and SAMPLERS[name].adaptive else 5
            settings = Sampler(name=name, steps=steps, rtol=1e-2, atol=1e-2)
            draws = []
            with counted(method) as count:
                for seed in (0, 0, 1):
                    draws.append(method.sample(7, settings, torch.Generator().manual_seed(seed)))
            assert draws[0].shape == (7, *shape)
            assert torch.isfinite(draws[0]).all()
            assert torch.equal(draws[0], draws[1])
            assert not torch.equal(draws[0], draws[2])
            assert count.calls > 0

    def test_log_prob_is_finite_where_promised_and_leaves_no_graph(self, spec):
        if not set(spec.likelihoods) - {"vlb"}:
            pytest.skip("promises none")
        method = build(spec).eval().requires_grad_(False)
        x = batch_of((2,), 9).x.double()
        got = method.log_prob(x, LikelihoodSettings(rtol=1e-2, atol=1e-2), torch.Generator())
        assert got.value.shape == (9,)
        assert torch.isfinite(got.value).all()
        assert not got.value.requires_grad

    def test_bound_is_finite_where_promised(self, spec):
        if "vlb" not in spec.likelihoods:
            pytest.skip("promises none")
        got = build(spec).eval().bound(batch_of((2,), 9).x.double(), torch.Generator())
        assert got.shape == (9,)
        assert torch.isfinite(got).all()

    def test_state_dict_round_trip(self, spec):
        method, other = build(spec), build(spec)
        for parameter in other.parameters():
            torch.nn.init.zeros_(parameter)
        other.load_state_dict(method.state_dict())
        settings = Sampler(name=spec.headline_sampler, rtol=1e-2, atol=1e-2)
        a, b = (one.eval().sample(3, settings, torch.Generator().manual_seed(0)) for one in (method, other))
        assert torch.equal(a, b)
