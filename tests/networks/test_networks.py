from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torchcfm.models.unet.unet import UNetModel

from fmbench.errors import FmbenchError
from fmbench.networks.mlp import ResidualMLP
from fmbench.networks.trial import try_network
from fmbench.networks.unet import UNet
from fmbench.registry.discovery import load_plugins
from fmbench.solvers.nfe import Count, CountedNetwork, counted

SMALL = {"channels": 8, "multipliers": "1,2", "layers": 1, "attention": "", "dropout": 0.0}
NETWORKS = [spec.name for spec in load_plugins(environ={}).networks]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 16)])
def test_every_network_keeps_the_shape_and_reads_the_time(name, shape, generator):
    spec = load_plugins(environ={}).networks.get(name)
    torch.manual_seed(0)
    network = spec.load()(shape, **{key: option.default for key, option in spec.options.items()})
    for parameter in network.parameters():  # zero-initialised gates would hide the time
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    x = torch.randn(2, *shape, generator=generator)
    early, late = network(torch.tensor([0.1, 0.1]), x), network(torch.tensor([0.9, 0.1]), x)
    assert early.shape == x.shape
    assert not torch.allclose(early[0], late[0])
    torch.testing.assert_close(early[1], late[1])  # a sample's time is its own


@pytest.mark.parametrize("name", NETWORKS)
def test_one_time_for_all_rows_is_that_time_in_every_row(name, generator):
    spec = load_plugins(environ={}).networks.get(name)
    network = spec.load()((1, 8, 8), **{key: option.default for key, option in spec.options.items()})
    x = torch.randn(3, 1, 8, 8, generator=generator)
    torch.testing.assert_close(network(torch.tensor([0.3]), x), network(torch.full((3,), 0.3), x))


def test_mlp_takes_vectors(generator):
    x = torch.randn(5, 2, generator=generator)
    assert ResidualMLP((2,), width=8, depth=2, time_width=4)(torch.rand(5), x).shape == (5, 2)


def test_mlp_size_is_that_of_its_layers():
    network = ResidualMLP((2,), width=8, depth=1, time_width=4)
    time = 2 * (4 * 4 + 4)
    block = (4 * 24 + 24) + 2 * (8 * 8 + 8)
    assert sum(p.numel() for p in network.parameters()) == time + (2 * 8 + 8) + block + (8 * 2 + 2)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 6), (1, 9, 9)])
def test_unet_refuses_what_it_cannot_halve(shape):
    with pytest.raises(FmbenchError, match="needs square images with a side divisible by 2"):
        UNet(shape, **{**SMALL, "channels": 4})


@pytest.mark.parametrize("channels", [4, 5, 9, 14, 132, 136])
def test_unet_takes_any_number_of_channels(channels):
    try_network("unet", UNet((1, 8, 8), **{**SMALL, "channels": channels}), (1, 8, 8))


@pytest.mark.parametrize(("channels", "groups"), [(32, 8), (128, 32), (36, 9), (132, 22), (10, 2)])
def test_unet_normalises_in_as_many_groups_as_divide_its_channels(channels, groups):
    network = UNet((1, 8, 8), **{**SMALL, "channels": channels})
    assert {part.num_groups for part in network.modules() if isinstance(part, nn.GroupNorm)} == {groups}


def test_unet_attends_at_the_sides_that_are_named_and_in_the_middle(generator):
    network = UNet((1, 8, 8), **{**SMALL, "multipliers": "1,2,2", "attention": "4,2"})
    assert network(torch.rand(2), torch.randn(2, 1, 8, 8, generator=generator)).shape == (2, 1, 8, 8)
    down, middle, up = network.model.down_blocks, network.model.mid_block, network.model.up_blocks
    assert [hasattr(block, "attentions") for block in down] == [False, True, True]
    assert [hasattr(block, "attentions") for block in up] == [True, True, False]
    assert middle.attentions[0] is not None
    assert UNet((1, 8, 8), **SMALL).model.mid_block.attentions[0] is None


@pytest.mark.parametrize(
    ("side", "channels", "multipliers", "layers", "attention"),
    [
        (32, 128, "1,2,2,2", 2, "16"),
        (32, 256, "1,2,2,2", 3, "16,8"),
        (64, 192, "1,2,3,4", 3, "32,16,8"),
    ],
)
def test_unet_has_the_weights_of_the_one_of_dhariwal_and_nichol(side, channels, multipliers, layers, attention):
    """Theirs as torchcfm ships it, without resampling blocks and scales by the time."""
    sizes = [int(text) for text in attention.split(",")]
    with torch.device("meta"):
        peer = UNetModel(
            side,
            3,
            channels,
            3,
            layers,
            tuple(side // one for one in sizes),
            channel_mult=tuple(map(int, multipliers.split(","))),
            num_head_channels=64,
        )
        own = UNet(
            (3, side, side),
            channels=channels,
            multipliers=multipliers,
            layers=layers,
            attention=attention,
            dropout=0.0,
        )
    assert sum(one.numel() for one in own.parameters()) == sum(one.numel() for one in peer.parameters())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"multipliers": "1,a"}, "needs network.multipliers as whole numbers with commas, as 16,8, not '1,a'"),
        ({"multipliers": "1,0"}, "needs network.multipliers as whole numbers"),
        ({"attention": "8;4"}, "needs network.attention as whole numbers"),
        ({"multipliers": ""}, "needs one of network.multipliers at least"),
        ({"attention": "16"}, "has the sides 8, 4 on such images: there is none of network.attention = 16"),
    ],
)
def test_unet_says_which_list_is_wrong(options, text):
    with pytest.raises(FmbenchError, match=re.escape(text)):
        UNet((1, 8, 8), **{**SMALL, **options})


class TestCounter:
    @pytest.fixture
    def network(self):
        return CountedNetwork(ResidualMLP((2,), width=8, depth=1, time_width=4)).eval()

    def test_calls_rows_and_vjps(self, network):
        x = torch.randn(3, 2, requires_grad=True)
        with counted(network) as count:
            out = network(torch.rand(3), x)
            torch.autograd.grad(out[:, 0].sum(), x, retain_graph=True)
            torch.autograd.grad(out[:, 1].sum(), x)
            network(torch.rand(5), x[:1].expand(5, 2))
        assert count == Count(calls=2, rows=8, vjps=2)

    def test_blocks_are_separate(self, network):
        network(torch.rand(3), torch.randn(3, 2))
        with counted(network) as count:
            pass
        assert count == Count()

    def test_guided_calls_count_by_their_rows(self, network):
        """Two branches in one call of twice the batch are two evaluations a sample."""
        with counted(network) as count:
            network(torch.rand(6), torch.randn(6, 2))
        assert count.rows / 3 == 2


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("classes", [0, 3])
class TestSecondTime:
    def pair(self, name, classes):
        """The network of one time and that of two, with the same seed."""
        spec = load_plugins(environ={}).networks.get(name)
        assert spec.two_times
        networks = []
        for more in ({}, {"times": 2}):
            torch.manual_seed(0)
            networks.append(spec.load()((1, 8, 8), classes=classes, **spec.defaults, **more).eval())
        return networks

    def inputs(self, classes, generator):
        labels = (torch.tensor([0, classes]),) if classes else ()
        return (torch.tensor([0.2, 0.7]), torch.randn(2, 1, 8, 8, generator=generator), *labels)

    def test_it_has_no_effect_before_the_first_step(self, name, classes, generator):
        one, two = self.pair(name, classes)
        inputs = self.inputs(classes, generator)
        assert torch.equal(one(*inputs), two(*inputs, r=torch.tensor([0.9, 0.1])))
        assert sum(p.numel() for p in two.parameters()) > sum(p.numel() for p in one.parameters())

    def test_it_is_learnt_and_is_the_samples_own(self, name, classes, generator):
        _, two = self.pair(name, classes)
        for parameter in two.parameters():
            torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        inputs = self.inputs(classes, generator)
        first, other = two(*inputs, r=torch.tensor([0.9, 0.1])), two(*inputs, r=torch.tensor([0.3, 0.1]))
        assert not torch.allclose(first[0], other[0])
        torch.testing.assert_close(first[1], other[1])
        assert torch.equal(two(*inputs), two(*inputs, r=inputs[0]))  # without it: the diagonal
        torch.testing.assert_close(two(*inputs, r=torch.tensor([0.3])), two(*inputs, r=torch.tensor([0.3, 0.3])))

    def test_its_first_gradient_is_not_zero(self, name, classes, generator):
        _, two = self.pair(name, classes)
        for key, parameter in two.named_parameters():
            if "second" not in key:  # gates that start at zero would hide it
                torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        two(*self.inputs(classes, generator), r=torch.tensor([0.9, 0.1])).square().sum().backward()
        gradients = [parameter.grad for key, parameter in two.named_parameters() if "second" in key]
        assert max(float(gradient.abs().max()) for gradient in gradients) > 0
