"""A network that does not answer as methods ask it is refused before the first step, by its name."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fmbench.errors import ContractError
from fmbench.networks.trial import try_network


class Net(nn.Module):
    """Time as a column; a subclass breaks one thing."""

    def __init__(self, shape=(3,)):
        super().__init__()
        self.line = nn.Linear(math.prod(shape) + 1, math.prod(shape))

    def forward(self, t, x):
        return self.line(torch.cat([x, t.expand(len(x))[:, None]], 1))


class Concatenates(Net):
    def forward(self, t, x):
        return self.line(torch.cat([x, t[:, None]], 1))


class OneRow(Net):
    def forward(self, t, x):
        return super().forward(t, x)[:1]


class Flat(Net):
    def forward(self, t, x):
        return super().forward(t, x).flatten()


class Levels(Net):
    def forward(self, t, x):
        return super().forward(t, x).long()


class Pair(Net):
    def forward(self, t, x):
        return super().forward(t, x), x


class Noisy(Net):
    def forward(self, t, x):
        return super().forward(t, x) + torch.randn(x.shape)


class Drops(Net):
    def forward(self, t, x):
        return nn.functional.dropout(super().forward(t, x))


class Normalises(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)

    def forward(self, t, x):
        return self.drop(self.norm(super().forward(t, x)))


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (Concatenates(), "at t of shape (1,), fails: RuntimeError: Sizes of tensors must match"),
        (
            OneRow(),
            "at t of shape (2,), gives torch.float32 of shape (1, 3): it must give floating-point numbers of sh",
        ),
        (Flat(), "gives torch.float32 of shape (6,)"),
        (Levels(), "gives torch.int64 of shape (2, 3)"),
        (Pair(), "gives <class 'tuple'>"),
        (Noisy(), "gives other numbers at a second call: in evaluation mode it must not be random"),
        (Drops(), "gives other numbers at a second call"),
    ],
)
def test_it_is_named_with_what_it_was_asked_and_gave(network, text):
    with pytest.raises(ContractError) as caught:
        try_network("mine", network, (3,))
    assert str(caught.value).startswith("network 'mine', asked for 2 points of shape (3,) at t of shape ")
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sound_one_is_left_as_it_was():
    network = Normalises()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    try_network("mine", network, (3,))
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_labels_and_a_second_time_are_tried_where_it_takes_them():
    class Conditional(Net):
        def forward(self, t, x, labels, r):
            asked.append((tuple(t.shape), tuple(labels.tolist()), tuple(r.shape)))
            return super().forward(t, x)

    asked = []
    try_network("mine", Conditional(), (3,), classes=10, times=2)
    assert set(asked) == {((2,), (0, 10), (2,)), ((1,), (0, 10), (1,))}
    with pytest.raises(ContractError, match="fails: TypeError"):
        try_network("mine", Net(), (3,), classes=10)
