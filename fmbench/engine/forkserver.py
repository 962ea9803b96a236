"""A process that has imported torch and the plugins once, and forks a child for every run.

It speaks JSON lines, on a copy of its standard output that nobody else knows.

Asked {"start": id, "directory": ..., "devices": ..., "environment": {...}} it forks and answers
{"started": id, "pid": ...}; when the child ends, {"ended": id, "code": ...}. {"kill": id, "signal": ...} signals the
child's process group. When its input ends, because the scheduler has closed it or is dead, it asks its children to
stop, waits for them and goes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from fmbench import provenance
from fmbench.engine.base import GRACE
from fmbench.engine.process import command
from fmbench.registry.discovery import load_plugins
from fmbench.registry.plugins import Plugins
from fmbench.registry.specs import Spec
from fmbench.store.run import RunDirectory

SHIPPED = ("fmbench", "fmbench_plugins")
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux's prctl


class ForkServer:
    """Forks children and tells how they ended.

    Args:
        plugins: loaded once for all.
        channel: the descriptor on which it tells.
    """

    def __init__(self, plugins: Plugins, channel: int) -> None:
        self._plugins, self._channel = plugins, channel
        self._children: dict[int, int] = {}  # pid -> id

    def serve(self) -> None:
        """Answer until the input ends."""
        # A child's death must wake the loop that waits for input: its signal writes to a pipe.
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer)
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(reader, selectors.EVENT_READ)
        pending = b""
        while True:
            for key, _ in selector.select():
                received = os.read(key.fd, 65536)
                if key.fd == reader:
                    self._reap()
                elif received:
                    *lines, pending = (pending + received).split(b"\n")
                    for line in lines:
                        self._answer(json.loads(line))
                else:
                    self._finish()
                    return

    def _answer(self, asked: dict[str, Any]) -> None:
        if "kill" in asked:
            for pid in [pid for pid, number in self._children.items() if number == asked["kill"]]:
                signal_group(pid, asked["signal"])
            return
        directory = RunDirectory(Path(asked["directory"]))
        warm_up(directory, self._plugins)
        gc.freeze()  # else a child's first collection would copy all of this process's memory
        server, pid = os.getpid(), os.fork()
        if pid == 0:
            self._child(asked, directory, server)
        self._children[pid] = asked["start"]
        tell(self._channel, {"started": asked["start"], "pid": pid})

    def _child(self, asked: dict[str, Any], directory: RunDirectory, server: int) -> NoReturn:
        """Become the run's process; never returns."""
        code = 1
        try:
            os.setsid()  # a process group of its own, so that whatever it starts can be killed with it
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)  # should this server be killed
                if os.getppid() != server:  # it has been already
                    os._exit(code)
            os.environ.update(asked["environment"])
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.close(self._channel)
            output = os.open(directory.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            if asked["devices"] > 1:
                arguments = command(directory, asked["devices"])
                os.execv(arguments[0], arguments)
            from fmbench.run import worker

            code = worker.work(directory, self._plugins)
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not become a second server
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            # Before its number is free for others: kill whatever the run had started and left behind.
            signal_group(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            tell(self._channel, {"ended": self._children.pop(ended.si_pid), "code": os.waitstatus_to_exitcode(status)})

    def _finish(self) -> None:
        for pid in self._children:
            signal_group(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._children and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        for pid in self._children:
            signal_group(pid, signal.SIGKILL)


def warm_up(directory: RunDirectory, plugins: Plugins) -> None:
    """Import the shipped parts of a run here, so that no child has to. Others' code is left to the children."""
    with suppress(Exception):  # whatever it is, the child will meet it too, and say so
        for run in directory.job().runs:
            training = run.training
            specs: list[Spec] = [
                plugins.datasets.get(training.dataset.name),
                plugins.methods.get(training.method.name),
                plugins.networks.get(training.network.name),
                *(plugins.metrics.get(name) for name in run.evaluation.metrics),
            ]
            for spec in specs:
                if spec.factory.partition(".")[0] in SHIPPED:
                    spec.load()


def signal_group(pid: int, number: int) -> None:
    """Signal a child's process group, or the child that has not made one yet."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def tell(channel: int, what: dict[str, Any]) -> None:
    """One line to the scheduler; if it has gone, the input's end says so too."""
    try:
        os.write(channel, json.dumps(what).encode() + b"\n")
    except BrokenPipeError:
        return


def main() -> None:
    """Serve; the arguments are files of plugins."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the scheduler decides
    channel = os.dup(1)  # plugins may print what they like: that goes where errors go
    os.dup2(2, 1)
    plugins = load_plugins([Path(file) for file in sys.argv[1:]])
    plugins.code.read()  # before anybody edits what is imported now
    import torch

    from fmbench.run import worker

    # Once, so that no child has to.
    del worker
    provenance.installed()
    provenance.git_state()
    tell(channel, {"ready": os.getpid(), "gpus": torch.cuda.device_count()})
    ForkServer(plugins, channel).serve()
    os._exit(0)  # the interpreter takes seconds to take torch down, and the scheduler waits


if __name__ == "__main__":
    main()
