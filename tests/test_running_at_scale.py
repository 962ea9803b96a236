"""What docs/running-at-scale.md says: the script prints its tables, its commands exist, its constants are ours."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import statistics
import sys
from pathlib import Path

import pytest
import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from fmbench import cli, commands
from fmbench.networks.unet import UNet
from fmbench.registry.discovery import load_plugins
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, tiny_plan

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "running-at-scale.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)).replace("\\\n", " ")
COMMANDS = re.findall(r"fmbench (\w+)([^#\n]*)", SHELL)
REFERENCE = ROOT / "results" / "reference" / "digits"


def load():
    name = "cifar10_cost"
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


cost = load()


def count(channels, layers, grad=True):
    """Parameters, and FLOPs an image of a forward and of a backward pass; nothing is computed."""
    with torch.device("meta"):
        network = UNet(
            (3, 32, 32), channels=channels, multipliers="1,2,2,2", layers=layers, attention="16", dropout=0.1
        )
        network.requires_grad_(grad)
        x = torch.empty(1, 3, 32, 32, requires_grad=True)
        with FlopCounterMode(display=False) as forward:
            value = network(torch.empty(1), x)
        with FlopCounterMode(display=False) as backward:
            value.sum().backward()
    weights = sum(parameter.numel() for parameter in network.parameters())
    return weights, forward.get_total_flops(), backward.get_total_flops()


def measured(method):
    """The numbers of a method on the digits in the reference results, by name."""
    (path,) = (REFERENCE / method).glob("*/seed-0")
    return {record.name: record.value for record in RunDirectory(path).metrics()}


@pytest.mark.parametrize("name", cost.TABLES)
def test_its_tables_are_what_the_script_prints(name):
    (documented,) = re.findall(rf"<!-- cost {name} -->\n(.*?)<!-- /cost {name} -->", DOCUMENT, flags=re.DOTALL)
    assert documented == "\n".join(cost.TABLES[name]()) + "\n"


def test_the_script_prints_them_all(capsys):
    cost.main()
    printed = capsys.readouterr().out
    assert all("\n".join(table()) in printed for table in cost.TABLES.values())


@pytest.mark.parametrize(
    ("channels", "layers", "parameters", "forward"),
    [
        (128, 2, cost.PARAMETERS, cost.FORWARD),
        (128, 4, cost.DEEP_PARAMETERS, cost.DEEP),
        (256, 2, cost.WIDE_PARAMETERS, cost.WIDE),
    ],
)
def test_its_flops_are_those_of_our_network(channels, layers, parameters, forward):
    weights, once, backward = count(channels, layers)
    assert (weights, once) == (parameters, forward)
    assert backward / forward == pytest.approx(cost.BACKWARD, rel=1e-3)


def test_a_product_costs_a_forward_pass():
    _, forward, backward = count(128, 2, grad=False)
    assert backward / forward == pytest.approx(cost.VJP, rel=1e-3)


def test_its_constants_are_those_of_the_reference_results():
    for row in cost.ROWS:
        for method in row.methods if row.source == cost.DIGITS else []:
            assert round(measured(method)["nfe"]) == row.calls
    flows = [measured(method) for row in cost.ROWS if row.nll for method in row.methods]
    assert statistics.median(one["nfe-nll"] / one["nfe"] for one in flows) == pytest.approx(cost.NLL_CALLS, abs=0.05)
    (log,) = REFERENCE.glob("fm-ot/*/seed-0/train.jsonl")
    lines = log.read_bytes().splitlines(keepends=True)
    assert statistics.mean(map(len, lines)) == pytest.approx(cost.LOG_LINE, abs=1)
    steps = [json.loads(line)["step"] for line in lines]
    assert steps[1] - steps[0] == cost.LOG_EVERY


def test_it_counts_every_method():
    counted = [method for row in cost.ROWS for method in row.methods]
    assert sorted([*counted, *cost.LAYERED, *cost.CONTROLS]) == sorted(
        spec.name for spec in load_plugins(environ={}).methods if "image" in spec.kinds
    )


def test_a_checkpoint_is_as_large_as_it_says(tmp_path):
    (run,) = tiny_plan("network.width=256", "network.depth=3", methods=["fm-ot"], metrics=[])
    carry_out([run], tmp_path)
    directory = RunDirectory.of(tmp_path, run)
    (checkpoint,) = directory.checkpoints.glob("*.pt")
    parameters = directory.training().params
    assert checkpoint.stat().st_size == pytest.approx(4 * cost.FLOAT * parameters, rel=0.02)


def test_wall_clock():
    assert cost.wall_clock([1, 2, 3, 4], 1) == 10
    assert cost.wall_clock([1, 2, 3, 4], 2) == 5
    assert cost.wall_clock([1, 2, 3, 4], 64) == 4


@pytest.mark.parametrize(("command", "line"), COMMANDS)
def test_every_command_and_option_exists(command, line):
    known = {option for one in typer.main.get_command(cli.app).commands[command].params for option in one.opts}
    assert {word for word in shlex.split(line) if word.startswith("-")} <= known


def test_there_are_commands_to_test():
    assert {command for command, _ in COMMANDS} == {"run", "merge", "status"}


def test_its_table_is_that_of_the_shipped_configuration():
    runs = commands.plan(load_plugins(environ={}), config="cifar10-budget", methods=["fm-ot", "cnf", "glow"])
    plan = cost.Plan()
    assert len(runs) == 3 * plan.seeds
    for run in runs:
        assert run.training.budget.flops == pytest.approx(cost.training(plan), rel=1e-3)
        assert (run.evaluation.sampler.samples, run.evaluation.sampler.draws) == (plan.samples, plan.sets)
        assert (run.evaluation.metrics["nll"]["draws"], run.evaluation.metrics["nll"]["probes"]) == (plan.draws, 1)
        assert run.evaluation.metrics["fid"]["features"] == "inception"
