"""Every registered method is tested by existing."""

from __future__ import annotations

import math

import pytest
import torch

from fmbench.methods.base import Batch, Method, Preparation, Task
from fmbench.networks.mlp import ResidualMLP
from fmbench.registry.discovery import load_plugins
from fmbench.registry.specs import MethodSpec
from fmbench.request.schema import Sampler
from fmbench.solvers.likelihood import LikelihoodSettings
from fmbench.solvers.nfe import counted
from tests.helpers import SAMPLERS

PLUGINS = load_plugins(environ={})
METHODS = list(PLUGINS.methods)
FEWER = {"reflow-2": {"pairs": 512, "solver_steps": 4}}  # its 20 000 pairs take seconds in every test
SHAPES = {"vector": (2,), "image": (1, 4, 4)}
CASES = [
    pytest.param(spec, SHAPES[kind], id=f"{spec.name}-{kind}")
    for spec in METHODS
    for kind in spec.kinds
    if kind in SHAPES  # pairs are drawn beside something: below
]


def network(shape, classes=0, given=()):
    return ResidualMLP(shape, width=16, depth=1, time_width=8, classes=classes, given=given)


def build(spec: MethodSpec, shape, classes=0, given=()) -> Method:
    """Fresh and prepared, as the harness does it."""
    torch.manual_seed(0)
    task = Task(
        shape,
        0.8,
        lambda s: network(s, classes, given),
        size=64,
        bounds=(-1.0, 1.0) if len(shape) == 3 else None,
        classes=classes,
        label_dropout=0.5,
        given=given,
    )
    defaults = {key: option.default for key, option in spec.options.items()}
    method = spec.load()(task, **{**defaults, **FEWER.get(spec.name, {})})
    teacher = build(PLUGINS.methods.get(spec.teacher), shape).eval() if spec.teacher else None
    method.prepare(Preparation(batch_of(shape).x, torch.Generator().manual_seed(2), 64, teacher))
    return method


def batch_of(shape, n=64, labels=None):
    """Within the bounds of images."""
    generator = torch.Generator().manual_seed(1)
    x = 0.8 * torch.randn(n, *shape, generator=generator)
    return Batch(x.tanh() if len(shape) == 3 else x, labels, generator)


def trainable(method):
    return any(parameter.requires_grad for parameter in method.parameters())


def usable(spec):
    return {name for name, sampler in SAMPLERS.items() if sampler.needs in spec.provides} | {spec.native_sampler}


def settings_for(name):
    spec = SAMPLERS.get(name)
    steps = 0 if spec is None or spec.adaptive else 5
    corrections = 2 if spec is not None and "corrections" in spec.options else 0
    return Sampler(name=name, steps=steps, corrections=corrections, snr=0.16, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("spec", METHODS, ids=lambda spec: spec.name)
def test_it_says_where_it_comes_from(spec):
    assert spec.summary
    assert spec.paper
    assert spec.family != "other"
    assert all(option.help for option in spec.options.values())


@pytest.mark.parametrize(("spec", "shape"), CASES)
class TestEveryMethod:
    def test_loss_is_a_finite_scalar_that_training_lowers(self, spec, shape):
        method = build(spec, shape)
        assert isinstance(method, Method)
        if not trainable(method):
            with pytest.raises(NotImplementedError, match="no loss"):
                method.loss(batch_of(shape))
            return
        optimiser = torch.optim.Adam(method.parameters(), 1e-2)
        losses = []
        for _ in range(60):
            optimiser.zero_grad()
            loss = method.loss(batch_of(shape))  # the same draw each time: it can be learnt
            loss.backward()
            method.before_step()
            optimiser.step()
            losses.append(loss.item())
        assert loss.shape == ()
        assert all(math.isfinite(value) for value in losses)
        share = 0.05 if "exact" in spec.likelihoods or spec.family.endswith("normalizing flow") else 0.2
        # A likelihood of Gaussian noise starts near its best. The best step is judged, not the last: at this rate the
        # loss of a continuous flow may rise again, and the processor's rounding decides when and how far.
        assert min(losses) < losses[0] - share * abs(losses[0])

    def test_a_step_depends_on_its_generator_alone(self, spec, shape):
        method = build(spec, shape)
        if not trainable(method):
            return
        method.load_state_dict(before := {key: value.clone() for key, value in method.state_dict().items()})
        first = method.loss(batch_of(shape))
        method.load_state_dict(before)
        torch.manual_seed(99)
        assert torch.equal(first, method.loss(batch_of(shape)))

    def test_every_sampler_it_can_use(self, spec, shape):
        method = build(spec, shape).eval()
        for name in usable(spec):
            draws = []
            with counted(method) as count:
                for seed in (0, 0, 1):
                    draws.append(method.sample(7, settings_for(name), torch.Generator().manual_seed(seed)))
            assert draws[0].shape == (7, *shape)
            assert draws[0].dtype == torch.float64
            assert torch.isfinite(draws[0]).all()
            assert torch.equal(draws[0], draws[1])
            assert not torch.equal(draws[0], draws[2])
            assert (count.calls > 0) == trainable(method)

    def test_log_prob_is_finite_where_promised_and_leaves_no_graph(self, spec, shape):
        method = build(spec, shape).eval().requires_grad_(False)
        x, settings = batch_of(shape, 9).x.double(), LikelihoodSettings(rtol=1e-2, atol=1e-2)
        if not set(spec.likelihoods) - {"vlb"}:
            if type(method).log_prob is Method.log_prob:
                with pytest.raises(NotImplementedError, match="no log_prob"):
                    method.log_prob(x, settings, torch.Generator())
            return
        got = method.log_prob(x, settings, torch.Generator())
        assert got.value.shape == (9,)
        assert got.value.dtype == torch.float64
        assert torch.isfinite(got.value).all()
        assert not got.value.requires_grad

    def test_bound_is_finite_where_promised(self, spec, shape):
        method, x = build(spec, shape).eval(), batch_of(shape, 9).x.double()
        if "vlb" not in spec.likelihoods:
            with pytest.raises(NotImplementedError, match="no variational bound"):
                method.bound(x, torch.Generator())
            return
        got = method.bound(x, torch.Generator())
        assert got.shape == (9,)
        assert torch.isfinite(got).all()

    def test_state_dict_round_trip(self, spec, shape):
        method, other = build(spec, shape), build(spec, shape)
        for parameter in other.parameters():
            torch.nn.init.zeros_(parameter)
        for buffer in other.buffers():
            buffer.zero_()
        other.load_state_dict(method.state_dict())
        settings = Sampler(name=spec.headline_sampler, steps=2, corrections=1, snr=0.1, rtol=1e-2, atol=1e-2)
        a, b = (one.eval().sample(3, settings, torch.Generator().manual_seed(0)) for one in (method, other))
        assert torch.equal(a, b)

    def test_what_is_prepared_depends_on_the_preparation_alone(self, spec, shape):
        """It runs again when a run resumes."""
        once, again = build(spec, shape), build(spec, shape)
        teacher = build(PLUGINS.methods.get(spec.teacher), shape).eval() if spec.teacher else None
        torch.manual_seed(5)
        again.prepare(Preparation(batch_of(shape).x, torch.Generator().manual_seed(2), 64, teacher))
        if trainable(once):
            assert torch.equal(once.loss(batch_of(shape)), again.loss(batch_of(shape)))
        else:
            a, b = (one.sample(5, settings_for("direct"), torch.Generator().manual_seed(0)) for one in (once, again))
            assert torch.equal(a, b)


CONDITIONAL = [spec for spec in METHODS if spec.conditional]


@pytest.mark.parametrize("spec", CONDITIONAL, ids=lambda spec: spec.name)
class TestEveryConditionalMethod:
    def test_it_learns_and_draws_classes(self, spec):
        method = build(spec, (2,), classes=3)
        table = method.network.network.label.weight
        before = table.detach().clone()
        optimiser = torch.optim.Adam(method.parameters(), 1e-2)
        for _ in range(3):  # the first step opens the gates through which the network sees its label
            optimiser.zero_grad()
            method.loss(batch_of((2,), labels=torch.arange(64) % 3)).backward()
            optimiser.step()
        assert ((table - before).abs().sum(dim=1) > 0).all()  # every class and "no class" was seen

    def test_guided_calls_count_twice(self, spec):
        method = build(spec, (2,), classes=3).eval()
        settings = settings_for(spec.headline_sampler).model_copy(update={"name": "ddim", "steps": 4})
        rows = []
        for guidance in (1.0, 2.0):
            with counted(method) as count:
                method.sample(6, settings.model_copy(update={"guidance": guidance}), torch.Generator().manual_seed(0))
            rows.append(count.rows / 6)
        assert rows == [4, 8]


PAIRS = [spec for spec in METHODS if "pair" in spec.kinds]


@pytest.mark.parametrize("spec", PAIRS, ids=lambda spec: spec.name)
class TestEveryMethodOfPairs:
    """Images of 4 x 4 pixels beside their means over squares of 2 x 2."""

    def batch(self, n=64):
        whole = batch_of((1, 4, 4), n)
        return Batch(whole.x, torch.nn.functional.avg_pool2d(whole.x, 2), whole.generator)

    def build(self, spec):
        return build(spec, (1, 4, 4), given=(1, 2, 2))

    def test_the_loss_is_lowered_and_sees_what_is_given(self, spec):
        method = self.build(spec)
        if not trainable(method):
            with pytest.raises(NotImplementedError, match="no loss"):
                method.loss(self.batch())
            return
        optimiser = torch.optim.Adam(method.parameters(), 1e-2)
        losses = []
        for _ in range(60):
            optimiser.zero_grad()
            loss = method.loss(self.batch())
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert min(losses) < 0.8 * losses[0]
        batch = self.batch()
        other = Batch(batch.x, batch.labels.roll(1, dims=0), batch.generator)
        assert method.loss(other).item() != method.loss(self.batch()).item()

    def test_micro_batches_see_their_own_rows(self, spec):
        method = self.build(spec)
        if not (trainable(method) and method.shares_batch):
            return
        for parameter in method.parameters():  # gates that start at zero would hide what is given
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(3))
        whole = method.loss(self.batch()).item()
        halves = []
        for rows in (slice(0, 32), slice(32, 64)):
            batch = self.batch()
            halves.append(method.loss(Batch(batch.x, batch.labels, batch.generator, rows=rows)).item())
        assert sum(halves) / 2 == pytest.approx(whole, rel=1e-5)

    def test_samples_depend_on_what_they_are_drawn_beside(self, spec):
        method = self.build(spec).eval()
        for parameter in method.parameters():
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(3))
        first, second = self.batch(7).labels, self.batch(7).labels.flip(0)
        for name in usable(spec):
            drawn = []
            for given in (first, first, second):
                with method.beside(given):
                    drawn.append(method.sample(7, settings_for(name), torch.Generator().manual_seed(0)))
            assert drawn[0].shape == (7, 1, 4, 4)
            assert drawn[0].dtype == torch.float64
            assert torch.equal(drawn[0], drawn[1])
            assert not torch.equal(drawn[0], drawn[2])
        assert method.given is None
