"""Ray and Slurm place the same processes: the same numbers, and a lost one is a row."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from rich.console import Console

from fmbench import commands
from fmbench.engine.base import Job
from fmbench.engine.slurm import Slurm, Task
from fmbench.errors import FmbenchError
from fmbench.execution import Execution
from fmbench.registry.discovery import load_plugins
from fmbench.run.exits import INTERRUPTED
from fmbench.scheduling.dispatch import prepare
from fmbench.scheduling.monitor import GridMonitor
from fmbench.store.run import RunDirectory
from tests.helpers import carry_out, numbers, tiny_plan

FAULTY = Path(__file__).with_name("faulty.py")
PLUGINS = load_plugins([FAULTY], environ={})


class WhileRunning(GridMonitor):
    """Does something once, when a run's process has said that it runs."""

    def __init__(self, action):
        super().__init__(Console(quiet=True))
        self._action, self._done = action, False

    def look(self):
        running = [job.directory.status() for job in self._left]
        running = [status for status in running if status.state == "running" and status.step > 0]
        if running and not self._done:
            self._done = True
            self._action(running[0])


def run_on(engine, runs, root, monitor=None, **execution):
    return commands.carry_out(
        commands.locate(runs, root),
        PLUGINS,
        results=root,
        engine=engine,
        execution=Execution("cpu", plugins=[FAULTY], checkpoint_seconds=0.001, **execution),
        monitor=monitor or GridMonitor(Console(quiet=True)),
    )


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="the extra ray is not installed")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = cluster.address
    yield ray
    os.environ.pop("RAY_ADDRESS")
    if before is not None:
        os.environ["RAY_ADDRESS"] = before
    cluster.shutdown()


@pytest.mark.slow
class TestRay:
    def engine(self, timeout=None, **options):
        from fmbench.engine.ray import Ray

        return Ray(options, timeout)

    def test_two_workers_give_the_same_numbers(self, cluster, tmp_path):
        runs = tiny_plan(plugins=PLUGINS, methods=["fm-ot", "ddpm"], metrics=["nfe", "fid"])
        assert run_on(self.engine(), runs, tmp_path / "ray").complete
        assert carry_out(runs, tmp_path / "here").complete
        for run in runs:
            assert numbers(tmp_path / "ray", run) == numbers(tmp_path / "here", run)

    def test_a_killed_process_is_a_failed_row_and_a_retry_resumes_it(self, cluster, tmp_path):
        (run,) = tiny_plan("train.steps=24", plugins=PLUGINS, methods=["slow"], metrics=["nfe"])
        monitor = WhileRunning(lambda status: os.kill(status.pid, signal.SIGKILL))
        assert not run_on(self.engine(), [run], tmp_path, monitor).complete
        directory = RunDirectory.of(tmp_path, run)
        assert directory.status().state == "failed"
        assert "SIGKILL" in directory.status().reason
        begun = directory.status().step
        assert begun > 0
        (short,) = tiny_plan("train.steps=24", plugins=PLUGINS, methods=["slow"], metrics=["nfe"])
        assert run_on(self.engine(), [short], tmp_path, retry=("failed",)).complete

    def test_a_hung_run_is_killed_and_frees_its_slot(self, cluster, tmp_path, monkeypatch):
        runs = tiny_plan("train.steps=600", plugins=PLUGINS, methods=["slow"], metrics=["nfe"])
        outcome = run_on(self.engine(timeout=12.0), runs, tmp_path)
        assert [row.status for row in outcome.rows] == ["timeout"]
        assert run_on(self.engine(), tiny_plan(methods=["fm-ot"], metrics=["nfe"]), tmp_path).complete

    def test_what_is_not_an_option_is_said(self, cluster):
        with pytest.raises(FmbenchError, match=r"unknown option of --engine ray 'gpu'. Did you mean 'gpus'\?"):
            self.engine(gpu=1)


class TestSlurm:
    @pytest.fixture(autouse=True)
    def submitit(self):
        return pytest.importorskip("submitit", reason="the extra slurm is not installed")

    def test_its_own_executor_gives_the_same_numbers(self, tmp_path):
        runs = tiny_plan(plugins=PLUGINS, methods=["fm-ot", "raises"], metrics=["nfe"])
        outcome = run_on(Slurm(tmp_path / "slurm", {}, None, cluster="local"), runs, tmp_path / "slurm")
        states = {row.label: (row.status, *row.reasons) for row in outcome.rows}
        assert states["raises"] == ("failed", "RuntimeError: a shape that does not fit (see log.txt)")
        carry_out(runs[:1], tmp_path / "here", PLUGINS)
        assert numbers(tmp_path / "slurm", runs[0]) == numbers(tmp_path / "here", runs[0])

    def test_a_pre_empted_run_is_requeued_and_resumes(self, tmp_path):
        (run,) = tiny_plan("train.steps=24", plugins=PLUGINS, methods=["slow"], metrics=["nfe"])
        engine = Slurm(tmp_path, {}, None, cluster="local")
        seen = []

        def pre_empt(status):
            seen.append(status)
            ((_, handle, _),) = engine._running
            children = Path(f"/proc/{handle.job_id}/task/{handle.job_id}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGUSR2)  # what Slurm sends to a job before it takes the node away

        assert run_on(engine, [run], tmp_path, WhileRunning(pre_empt)).complete
        directory = RunDirectory.of(tmp_path, run)
        assert seen
        assert directory.status().state == "done"
        assert directory.status().pid != seen[0].pid
        (log,) = (tmp_path / ".slurm").rglob("*_log.out")
        assert "Requeued" in log.read_text()
        carry_out([run], tmp_path / "here", PLUGINS)
        assert numbers(tmp_path, run) == numbers(tmp_path / "here", run)

    def test_the_script_for_slurm(self, tmp_path, submitit, monkeypatch):
        scripts = []

        def submitted(self, command):
            scripts.append(Path(command[-1]).read_text())
            return b"Submitted batch job 12\n"

        monkeypatch.setattr(submitit.SlurmExecutor, "affinity", staticmethod(lambda: 2))
        monkeypatch.setattr(
            submitit.core.utils.CommandFunction, "__call__", lambda self, **_: submitted(self, self.command)
        )
        options = {"slurm_partition": "gpu", "cpus_per_task": 4, "slurm_array_parallelism": 2}
        engine = Slurm(tmp_path, options, 7200)
        for seed in range(3):
            engine.submit(Job(RunDirectory(tmp_path / str(seed)), "x", 1))
        engine.submit(Job(RunDirectory(tmp_path / "wide"), "x", 4))
        engine._hand_over()
        array, wide = scripts
        for line in ("--array=0-2%2", "--partition=gpu", "--cpus-per-task=4", "--time=120", "--signal=USR2@"):
            assert f"#SBATCH {line}" in array
        assert "#SBATCH --gpus-per-node=4" in wide
        assert "--gpus-per-node" not in array

    def test_without_slurm_or_with_a_wrong_option_it_is_one_line(self, tmp_path):
        with pytest.raises(FmbenchError, match="--engine slurm: "):
            Slurm(tmp_path, {}, None)
        with pytest.raises(FmbenchError, match=r"--engine slurm: .*partitio"):
            Slurm(tmp_path, {"slurm_partitio": "gpu"}, None, cluster="local")

    def test_a_task_stops_its_process_before_it_is_requeued(self, tmp_path):
        (run,) = tiny_plan("train.steps=600", plugins=PLUGINS, methods=["slow"], metrics=["nfe"])
        directory = RunDirectory.of(tmp_path, run)
        prepare(directory, [run], Execution("cpu", plugins=[FAULTY]))
        task = Task(str(directory.path), 1)
        process = task._start()
        while directory.status().step == 0:
            time.sleep(0.1)
        again = task.checkpoint()
        assert process.wait(0).code == INTERRUPTED
        assert directory.status().state == "queued"
        assert any(directory.checkpoints.glob("*.pt"))
        assert again.function.directory == str(directory.path)
