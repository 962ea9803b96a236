"""The transformer's parts against independent ones: torch's attention, diffusers' positions, a size in closed form."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from torch import nn

from fmbench import commands
from fmbench.errors import FmbenchError
from fmbench.networks.dit import DiT, SelfAttention, sinusoids
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import TINY, carry_out

SMALL = {"patch": 2, "width": 8, "depth": 2, "heads": 2}
PLUGINS = load_plugins(environ={})


def random_dit(shape, generator, **options):
    """One whose gates and last layer are open."""
    network = DiT(shape, **SMALL | options)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    return network


def test_the_attention_is_that_of_torch(generator):
    ours, theirs = SelfAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, generator=generator)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.into.weight,
            "in_proj_bias": ours.into.bias,
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    h = torch.randn(2, 5, 12, generator=generator)
    torch.testing.assert_close(ours(h), theirs(h, h, h)[0])


@pytest.mark.parametrize("side", [1, 3, 7])
def test_the_positions_are_those_of_diffusers(side):
    """Theirs put the column first."""
    theirs = get_2d_sincos_pos_embed(16, side, base_size=side, output_type="pt")
    theirs = theirs.reshape(side, side, 16).transpose(0, 1).flatten(0, 1).float()
    torch.testing.assert_close(sinusoids((side, side), 16), theirs)


def test_patches_are_squares_of_the_image_row_by_row(generator):
    network = DiT((3, 4, 6), **SMALL)
    x = torch.randn(2, 3, 4, 6, generator=generator)
    patches = network.cut(x)
    assert patches.shape == (2, 6, 12)
    assert torch.equal(patches[1, 4], x[1, :, 2:4, 2:4].flatten())
    assert torch.equal(network.joined(patches), x)


def test_a_fresh_one_gives_zero_and_learns(generator):
    network, x = DiT((1, 8, 8), **SMALL), torch.randn(3, 1, 8, 8, generator=generator)
    out = network(torch.rand(3), x)
    assert not out.any()
    (out - x).square().mean().backward()
    assert network.last.weight.grad.any()


def test_every_patch_sees_every_other_and_knows_its_place(generator):
    network = random_dit((1, 8, 8), generator)
    x = torch.randn(1, 1, 8, 8, generator=generator)
    moved = x.clone()
    moved[0, 0, 0, 0] += 1
    apart = (network(torch.tensor([0.5]), moved) - network(torch.tensor([0.5]), x)).abs()
    assert network.cut(apart).amax(2).min() > 0
    flipped = network(torch.tensor([0.5]), x.flip(3)).flip(3)
    assert not torch.allclose(flipped, network(torch.tensor([0.5]), x), atol=1e-3)


def test_it_has_the_derivatives_that_methods_ask_for(generator):
    """Forward along a direction, and of a gradient."""
    network = random_dit((1, 4, 4), generator).double()
    x, v = (torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    t = torch.tensor([0.3, 0.6], dtype=torch.float64)
    _, forward = torch.func.jvp(lambda y: network(t, y), (x,), (v,))
    step = 1e-6
    slope = (network(t, x + step * v) - network(t, x - step * v)) / (2 * step)
    torch.testing.assert_close(forward, slope, rtol=1e-5, atol=1e-7)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(network(t, x).square().sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad.any()


def test_its_size_is_that_of_its_layers():
    """The 1.2 million parameters of the defaults on 28 x 28 images."""
    spec = PLUGINS.networks.get("dit")
    network = spec.load()((1, 28, 28), **spec.defaults)
    w, numbers = 128, 16
    time = 2 * (w * w + w)
    block = (3 * w * w + 3 * w) + (w * w + w) + (8 * w * w + 5 * w) + (6 * w * w + 6 * w)
    expected = time + (numbers * w + w) + 4 * block + (2 * w * w + 2 * w) + (w * numbers + numbers)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected == 1_257_616


@pytest.mark.parametrize(
    ("shape", "options", "text"),
    [
        ((2,), {}, r"needs images whose sides are multiples of network\.patch = 2, not data of shape \(2,\)"),
        ((1, 8, 9), {}, r"multiples of network\.patch = 2, not data of shape \(1, 8, 9\)"),
        ((1, 8, 8), {"heads": 3}, r"network\.width that is a multiple of 4 and of network\.heads = 3, not 8"),
        ((1, 8, 8), {"width": 6, "heads": 2}, r"multiple of 4 and of network\.heads = 2, not 6"),
    ],
)
def test_what_does_not_fit_is_refused(shape, options, text):
    with pytest.raises(FmbenchError, match=text):
        DiT(shape, **SMALL | options)


def plan(*said, methods):
    tiny = [assignment for assignment in TINY if not assignment.startswith("network.")]
    return commands.plan(PLUGINS, methods=methods, metrics=["nfe"], assignments=[*tiny, "network.name=dit", *said])


def test_a_patch_that_does_not_fit_the_data_is_refused_when_it_is_asked_for():
    with pytest.raises(FmbenchError, match=r"multiples of network\.patch = 3, not data of shape \(1, 8, 8\)"):
        plan("network.patch=3", methods=["fm-ot"])


@pytest.mark.parametrize("method", ["fm-ot", "cnf", "edm"])
def test_methods_train_with_it(tmp_path, method):
    """The CNF's loss has second derivatives."""
    said = ("network.width=8", "network.depth=1", "network.heads=2", "options.cnf.tol=1e-1")
    (run,) = plan(*(said if method == "cnf" else said[:3]), methods=[method])
    carry_out([run], tmp_path, PLUGINS)
    assert RunDirectory.of(tmp_path, run).status().state == "done"
