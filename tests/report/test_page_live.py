"""The page while the store grows: when it is made anew, and what its server answers."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from threading import Thread

import pytest
from typer.testing import CliRunner

from fmbench.cli import app
from fmbench.errors import FmbenchError
from fmbench.report.page import live
from fmbench.report.page.live import Site
from fmbench.report.page.server import PageServer
from fmbench.store.locks import run_lock
from fmbench.store.records import StatusRecord
from fmbench.store.run import RunDirectory
from tests.helpers import tiny_plan
from tests.report.made_up import fill, number
from tests.report.page_store import NUMBERS


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """No rest between two pages."""
    monkeypatch.setattr(live, "REST", 0.0)


@pytest.fixture(scope="module")
def runs():
    return tiny_plan(methods=["fm-ot"], seeds=[0, 1])


class TestSite:
    def test_a_store_that_is_not_there_yet_has_its_page(self, tmp_path, runs):
        site = Site(tmp_path / "results")
        assert "No runs yet" in site.page()
        before = site.progress()["version"]
        fill(tmp_path / "results", runs[0], NUMBERS)
        assert site.progress()["version"] != before
        assert "2.345" in site.page()

    def test_numbers_are_news_and_progress_is_none(self, tmp_path, runs):
        directory = fill(tmp_path, runs[0], NUMBERS)
        site = Site(tmp_path)
        first = site.page()
        version = site.progress()["version"]
        directory.set_status(StatusRecord(state="done", step=7))
        assert site.progress()["version"] == version
        assert site.page() is first
        directory.add_metrics([number(runs[0], "kid", 0.25)])
        assert site.progress()["version"] != version
        assert "0.2500" in site.page()

    def test_what_runs_says_how_far_it_is(self, tmp_path, runs):
        fill(tmp_path, runs[0], NUMBERS)
        directory = RunDirectory.of(tmp_path, runs[1])
        directory.create(runs[1])
        directory.set_status(StatusRecord(state="running", doing="train", done=3, total=12, left=65.0))
        with run_lock(directory.path / "run.json"):
            said = Site(tmp_path).progress()
        assert said["counts"] == {"running": 1, "done": 1}
        (running,) = said["running"]
        assert (running["doing"], running["done"], running["total"], running["left"]) == ("train", 3, 12, 65.0)
        assert Site(tmp_path).progress()["counts"] == {"lost": 1, "done": 1}

    def test_a_damaged_store_keeps_the_last_page_until_it_is_mended(self, tmp_path, runs):
        directory = fill(tmp_path, runs[0], NUMBERS)
        site = Site(tmp_path)
        page, version = site.page(), site.progress()["version"]
        path = directory.path / "training.json"
        content = path.read_bytes()
        path.write_bytes(b"{}")
        assert site.page() == page
        assert "training.json does not say its schema" in site.progress()["error"]
        assert site.progress()["version"] == version  # or the reader's page would load again and again
        path.write_bytes(content + b" ")
        assert site.progress()["version"] != version
        site.page()
        assert site.progress()["error"] == ""

    def test_pages_that_take_long_are_made_rarely(self, tmp_path, runs, monkeypatch):
        directory = fill(tmp_path, runs[0], NUMBERS)
        site = Site(tmp_path)
        monkeypatch.setattr(live, "REST", 1e9)
        page = site.page()
        directory.add_metrics([number(runs[0], "kid", 0.25)])
        assert site.page() is page


@pytest.fixture(scope="module")
def server(tmp_path_factory, runs):
    root = tmp_path_factory.mktemp("results")
    fill(root, runs[0], NUMBERS)
    with PageServer(Site(root), "127.0.0.1", 0) as started:
        thread = Thread(target=started.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def answer(server, path, host=None, method="GET"):
    port = server.server_address[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response.status, content


class TestServer:
    def test_it_answers_with_the_page_and_the_progress(self, server):
        status, page = answer(server, "/?whatever")
        assert (status, "2.345" in page) == (200, True)
        status, said = answer(server, "/progress.json")
        assert (status, json.loads(said)["counts"]) == (200, {"done": 1})

    @pytest.mark.parametrize(
        "path", ["/run.json", "/../../etc/passwd", "/%2e%2e/", "//etc/passwd", "/digits/", "/assets/page.css"]
    )
    def test_no_path_of_the_file_system_is_served(self, server, path):
        assert answer(server, path) == (404, "there is nothing here but /\n")

    def test_other_methods_are_refused(self, server):
        assert answer(server, "/", method="POST")[0] == 501

    def test_a_strange_name_that_leads_here_is_refused(self, server):
        assert answer(server, "/", host="elsewhere.example:80")[0] == 403
        assert answer(server, "/", host="elsewhere.example")[0] == 403
        assert answer(server, "/", host="localhost")[0] == 200  # as browsers say it of port 80
        assert answer(server, "/progress.json", host="localhost:80")[0] == 200

    def test_a_port_in_use_is_one_line(self, server, tmp_path):
        with pytest.raises(FmbenchError, match=r"cannot serve on 127\.0\.0\.1:.*in use.*--port"):
            PageServer(Site(tmp_path), "127.0.0.1", server.server_address[1])


def test_the_command_prints_its_address_and_ends_by_an_interrupt(tmp_path):
    command = [sys.executable, "-m", "fmbench", "serve", "--port", "0", "--results-dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "at http://127.0.0.1:" in line
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=600)
    assert (process.returncode, out, error) == (130, "", "")


def test_the_report_command_writes_one_file(tmp_path, runs):
    fill(tmp_path / "results", runs[0], NUMBERS)
    output = tmp_path / "pages" / "a.html"
    arguments = ["report", "--results-dir", str(tmp_path / "results"), "--output", str(output)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    first = output.read_bytes()
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert output.read_bytes() == first
