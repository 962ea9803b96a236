from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from fmbench.methods.base import Method
from fmbench.methods.flow import FlowMethod
from fmbench.metrics.base import Evaluation
from fmbench.seeding import derive, stream
from fmbench.solvers import likelihood
from tests.helpers import carry_out, tiny_plan

METHODS = ["fm-ot", "ddpm", "ot-cfm"]  # of other losses, paths and couplings; the last looks at batches to come


def draws(*names):
    return torch.rand(4, generator=stream("cpu", *names))


class TestStreams:
    def test_a_name_gives_the_same_numbers_whatever_was_drawn_before_or_beside(self):
        alone = draws(0, "batch", 3)
        generators = {name: stream("cpu", 0, name, 3) for name in ("added", "batch", "order")}
        torch.rand(100, generator=generators["added"])
        torch.rand(100)
        assert torch.equal(torch.rand(4, generator=generators["batch"]), alone)

    def test_every_part_of_a_name_counts_and_so_do_its_borders(self):
        names = [(0, "a", 1), (1, "a", 1), (0, "b", 1), (0, "a", 2), (0, "a"), (0, "a", 1, 1), ("0a", 1), (0, "a1")]
        assert len({derive(*name) for name in names}) == len(names)

    def test_what_is_nobodys_is_another_stream_than_what_is_given(self):
        """Else noise from both would be the same noise twice."""
        asker = SimpleNamespace(device=torch.device("cpu"), seed=0)
        given = Evaluation.stream(asker, "sample", 0)
        assert not torch.equal(torch.rand(4, generator=given), torch.rand(4))

    def test_seeds_stay_what_they_were(self):
        """A change of these values changes every number of every run: raise PROTOCOL with it."""
        assert derive(0, "batch", 7) == 5_948_538_145_214_281_727
        assert derive(0, "batch", 7) < 2**63


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each method met: the batches, the noise that its samples begin with, the points and probes of its NLL."""
    met = {}
    with pytest.MonkeyPatch.context() as patch:
        for method in METHODS:
            met[method] = {name: [] for name in ("batches", "labels", "noise", "points", "probes")}
            record(patch, met[method])
            runs = tiny_plan(
                "options.ot-cfm.companions=2",
                "sampler.draws=2",
                "nll.checked=8",
                methods=[method],
                metrics=["nll", "nfe"],
            )
            assert carry_out(list(runs), tmp_path_factory.mktemp(method)).complete
            patch.undo()
    return met


def record(patch, met):
    """Write down what passes by."""
    forward, carry, rademacher = Method.forward, FlowMethod.carry, likelihood.rademacher

    def batch(self, x, labels, *rest):
        met["batches"].append(x)
        met["labels"].append(labels)
        return forward(self, x, labels, *rest)

    def noise(self, x0, *rest):
        met["noise"].append(x0)
        return carry(self, x0, *rest)

    def probes(count, like, generator):
        met["points"].append(like)
        met["probes"].append(rademacher(count, like, generator))
        return met["probes"][-1]

    patch.setattr(Method, "forward", batch)
    patch.setattr(FlowMethod, "carry", noise)
    patch.setattr(likelihood, "rademacher", probes)


@pytest.mark.parametrize("name", ["batches", "labels", "noise", "points", "probes"])
@pytest.mark.parametrize("method", METHODS[1:])
def test_the_same_seed_gives_every_method_the_same(seen, method, name):
    ours, theirs = seen[METHODS[0]][name], seen[method][name]
    assert len(ours) > 1
    assert len(ours) == len(theirs)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], ours[1])
