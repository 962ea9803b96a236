from __future__ import annotations

import pytest
import torch
from fmbench_plugins.glow import ActNorm, Glow

from fmbench.methods.base import Preparation, Task
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import counted

EXACT = LikelihoodSettings()
INVERSE = Sampler(name="inverse")


def data(shape, bounds, n=300):
    """Correlated points, inside the bounds where there are any."""
    generator = torch.Generator().manual_seed(3)
    x = 0.4 + torch.randn(n, *shape, generator=generator) + 2 * torch.randn(n, *[1] * len(shape), generator=generator)
    return x if bounds is None else bounds[0] + (bounds[1] - bounds[0]) * torch.sigmoid(x)


def preparation(shape, bounds, seed=0):
    return Preparation(data(shape, bounds), torch.Generator().manual_seed(seed), 128)


def glow(shape, *, levels=2, steps=2, bounds=(-1.0, 1.0), dtype=torch.float64):
    """A prepared flow with weights far from those it starts with, in which every coupling is the same scaling."""
    torch.manual_seed(0)
    task = Task(shape, 1.0, lambda _: None, size=300, bounds=bounds)
    method = Glow(task, levels=levels, steps=steps, width=8, prior_std=0.1)
    for weight in method.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    method.prepare(preparation(shape, bounds))
    return method.to(dtype).eval()


SHAPES = [(1, 8, 8), (1, 28, 28), (3, 4, 12)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("dtype", "largest"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_samples_are_the_inverse_of_the_base_draws(shape, dtype, largest):
    method = glow(shape, dtype=dtype)
    x = method.sample(50, INVERSE, torch.Generator().manual_seed(7))
    assert x.shape == (50, *shape)
    assert x.dtype == torch.float64
    y = (method.logit.forward(x)[0] - method.mean) / method.deviation
    z, _ = method.encode(y.to(dtype))
    drawn = torch.randn(*z.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    assert (z - drawn).abs().max() < largest


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 4, 8)], ids=str)
def test_log_prob_is_the_change_of_variables(shape):
    method = glow(shape)
    x = data(shape, method.task.bounds, 2).double()
    got = method.log_prob(x, EXACT, torch.Generator()).value

    def whole(point):
        y = (method.logit.forward(point[None])[0] - method.mean) / method.deviation
        return method.encode(y)[0][0]

    for point, value in zip(x, got, strict=True):
        z = whole(point)
        jacobian = torch.autograd.functional.jacobian(whole, point).reshape(len(z), len(z))
        base = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum()
        assert value.item() == pytest.approx((base + torch.linalg.slogdet(jacobian)[1]).item(), abs=1e-8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 4)], ids=str)
def test_preparing_gives_every_actnorm_mean_zero_and_variance_one(shape):
    method = glow(shape)
    outputs = []
    for part in method.modules():
        if isinstance(part, ActNorm):
            part.register_forward_hook(lambda *call: outputs.append(call[2][0]))
    method.prepare(preparation(shape, method.task.bounds, seed=5))
    assert len(outputs) == 4
    for output in outputs:
        channels = output.transpose(0, 1).flatten(1)
        assert torch.allclose(channels.mean(dim=1), torch.zeros(len(channels), dtype=torch.float64), atol=1e-9)
        assert torch.allclose(channels.std(dim=1), torch.ones(len(channels), dtype=torch.float64))


def test_preparing_again_changes_nothing():
    method = glow((1, 8, 8), dtype=torch.float32)
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.prepare(preparation((1, 8, 8), (-1.0, 1.0)))
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())


def test_each_level_but_the_last_gives_half_of_its_channels():
    assert glow((1, 8, 8), levels=3).parts == [(2, 4, 4), (4, 2, 2), (16, 1, 1)]
    assert glow((3, 4, 12), levels=1).parts == [(12, 2, 6)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 4)], ids=str)
def test_counts_one_evaluation_a_pass(shape):
    method = glow(shape)
    with counted(method) as density:
        method.log_prob(data(shape, method.task.bounds, 9).double(), EXACT, torch.Generator())
    with counted(method) as inverse:
        method.sample(9, INVERSE, torch.Generator())
    assert (density.calls, inverse.calls) == pytest.approx((1, 1))
    assert inverse.rows == pytest.approx(9)


@pytest.mark.parametrize(("shape", "levels"), [((1, 8, 8), 4), ((1, 28, 28), 3), ((3, 32, 12), 3)])
def test_refuses_images_that_cannot_be_squeezed_that_often(shape, levels):
    with pytest.raises(ValueError, match=f"levels = {levels}: both sides of an image must be multiples of {2**levels}"):
        glow(shape, levels=levels)
