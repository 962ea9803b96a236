"""Products in bfloat16 or TF32 while a method trains: what is rounded, what is not, and what is refused."""

from __future__ import annotations

import pytest
import torch

from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.methods.base import Batch
from fmbench.methods.gaussian_path import GaussianPathMethod
from fmbench.progress import Silent
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from fmbench.training import checkpoints
from fmbench.training.precision import products, require_precision
from fmbench.training.session import TrainingSession
from tests.helpers import carry_out, numbers, tiny_plan

PLUGINS = load_plugins(environ={})
METHODS = [spec.name for spec in PLUGINS.methods if spec.family != "control"]


def train(folder, method, *assignments):
    (run,) = tiny_plan("train.batch_size=64", "network.width=64", *assignments, plugins=PLUGINS, methods=[method])
    dataset = PLUGINS.datasets.get("digits").load()()
    session = TrainingSession(dataset, PLUGINS, Execution("cpu"), Silent())
    session.train(run.training, session.build(run.training), RunDirectory(folder))
    return RunDirectory(folder)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_in_bfloat16_what_it_learns_in_float32(tmp_path, method):
    """The first losses differ by the rounding of products: 8 bits, and a mean over thousands of them."""
    full = train(tmp_path / "full", method).training()
    mixed = train(tmp_path / "mixed", method, "train.precision=bf16-mixed").training()
    assert mixed.final_loss != full.final_loss
    assert mixed.final_loss == pytest.approx(full.final_loss, rel=0.02, abs=0.01)
    assert mixed.flops == full.flops


def test_weights_average_and_optimiser_stay_in_float32(tmp_path):
    checkpoint = checkpoints.load(train(tmp_path, "fm-ot", "train.precision=bf16-mixed").checkpoints, "cpu")
    optimiser = checkpoint["optimiser"]["method"]["state"][0]
    tensors = [*checkpoint["method"].values(), *checkpoint["average"].values(), *optimiser.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_only_products_are_rounded_and_only_while_it_trains(tmp_path, monkeypatch):
    """Fabric's own mixed precision would round the batch, and the noise with it."""
    seen = []
    output, loss = GaussianPathMethod._output, GaussianPathMethod.loss

    def noted_output(self, t, x, labels):
        inner = []
        hook = self.network.network.register_forward_hook(lambda *call: inner.append(call[2].dtype))
        answer = output(self, t, x, labels)
        hook.remove()
        seen.append((self.training, t.dtype, x.dtype, inner[0], answer.dtype))
        return answer

    def noted_loss(self, batch: Batch):
        assert batch.x.dtype == torch.float32
        assert not torch.equal(batch.x, batch.x.bfloat16().float())
        value = loss(self, batch)
        assert value.dtype in (torch.float32, torch.float64)
        return value

    monkeypatch.setattr(GaussianPathMethod, "_output", noted_output)
    monkeypatch.setattr(GaussianPathMethod, "loss", noted_loss)
    (run,) = tiny_plan("train.precision=bf16-mixed", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    assert carry_out([run], tmp_path, PLUGINS).complete
    training = {part[3] for part in seen if part[0]}
    measuring = {part[3] for part in seen if not part[0]}
    assert (training - measuring, measuring) == ({torch.bfloat16}, {torch.float32})  # FLOPs are counted in float32
    assert torch.bfloat16 not in {dtype for _, t, x, _, answer in seen for dtype in (t, x, answer)}


def test_it_is_part_of_what_a_run_is_and_float32_is_not_said():
    plain, said, mixed = (
        tiny_plan(*given, plugins=PLUGINS, methods=["fm-ot"])[0]
        for given in ((), ("train.precision=float32",), ("train.precision=bf16-mixed",))
    )
    assert plain.training.id == said.training.id != mixed.training.id
    assert "precision" not in plain.training.model_dump_json()
    assert mixed.overrides == {**plain.overrides, "train.precision": "bf16-mixed"}
    assert type(mixed).model_validate_json(mixed.model_dump_json()) == mixed


def test_it_repeats_to_the_bit(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    runs = tiny_plan("train.precision=bf16-mixed", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe", "fid"])
    carry_out(runs, first, PLUGINS)
    carry_out(runs, second, PLUGINS)
    assert numbers(first, runs[0]) == numbers(second, runs[0])


@pytest.mark.parametrize("asked", ["bf16", "float16", "fp32"])
def test_others_are_refused_with_the_list(asked):
    with pytest.raises(FmbenchError, match=r"train.precision = .*: must be 'float32', 'tf32' or 'bf16-mixed'"):
        tiny_plan(f"train.precision={asked}", plugins=PLUGINS, methods=["fm-ot"])


def test_a_precision_that_the_device_lacks_is_refused_before_the_first_step(tmp_path, monkeypatch):
    (run,) = tiny_plan("train.precision=tf32", plugins=PLUGINS, methods=["fm-ot"], metrics=["nfe"])
    carry_out([run], tmp_path, PLUGINS)
    directory = RunDirectory.of(tmp_path, run)
    assert directory.status().reason.startswith("train.precision = 'tf32': a CPU has none; use bf16-mixed, or float32")
    assert not directory.train_log.exists()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    require_precision("float32", "cuda")
    with pytest.raises(FmbenchError, match=r"train.precision = 'bf16-mixed': Tesla T4 has none; use float32"):
        require_precision("bf16-mixed", "cuda")


def test_float32_is_full_float32_also_in_convolutions():
    def now():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32

    before = now()
    with products("float32"):
        assert now() == ("highest", False)
        with products("tf32"):
            assert now() == ("high", True)
        assert now() == ("highest", False)
    assert now() == before
