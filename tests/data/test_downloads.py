from __future__ import annotations

import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fmbench.data import downloads, fashion_mnist, sources
from fmbench.errors import FmbenchError, Unavailable
from fmbench.metrics.extractors import inception
from fmbench.progress import watched_by

CONTENT = bytes(range(256)) * 20_000  # several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Sends CONTENT, a part of it, or other bytes; what it is asked to skip it skips, but for /deaf."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/absent":
            self.send_error(404, "Not Found")
            return
        skipped = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        skipped = 0 if self.path == "/deaf" else skipped
        self.server.skipped.append(skipped)
        if skipped >= len(CONTENT):
            self.send_error(416, "Range Not Satisfiable")
            return
        end = 2_000_000 if self.path == "/cut" else len(CONTENT)
        body = b"a login page" if self.path == "/other" else CONTENT[skipped:end]
        self.send_response(206 if skipped else 200)
        if self.path != "/other":
            self.send_header("Content-Length", str(len(CONTENT) - skipped))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def server(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.skipped = [], []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_is_fetched_once(server, tmp_path):
    path = tmp_path / "new" / "file"
    for _ in range(2):
        assert downloads.fetch(f"{server.url}/whole", path, SHA256) == path
    assert path.read_bytes() == CONTENT
    assert server.asked == ["/whole"]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_url(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    downloads.fetch(source.as_uri(), tmp_path / "file", SHA256)
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("page", ["cut", "absent"])
def test_what_cannot_be_had_whole_is_not_there_and_says_what_to_do(server, tmp_path, page):
    path = tmp_path / "file"
    with pytest.raises(Unavailable) as error:
        downloads.fetch(f"{server.url}/{page}", path, SHA256)
    text = one_line(error)
    assert f"cannot fetch {server.url}/{page} (" in text
    assert {"cut": "after 2000000 of 5120000 bytes", "absent": "404"}[page] in text
    assert f"put the file by hand at {path} (SHA-256 {SHA256})" in text
    left = {part.name: part.stat().st_size for part in tmp_path.iterdir()}
    assert left == ({"file.part": 2_000_000} if page == "cut" else {})


class TestGoingOn:
    """From what an interrupted call has received."""

    def test_only_what_lacks_is_asked_for(self, server, tmp_path):
        with pytest.raises(Unavailable):
            downloads.fetch(f"{server.url}/cut", tmp_path / "file", SHA256)
        downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert server.skipped == [0, 2_000_000]
        assert list(tmp_path.iterdir()) == [tmp_path / "file"]

    def test_a_server_that_cannot_skip_sends_all(self, server, tmp_path):
        (tmp_path / "file.part").write_bytes(CONTENT[:100])
        downloads.fetch(f"{server.url}/deaf", tmp_path / "file", SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT

    @pytest.mark.parametrize("before", [b"of another file", b"x" * (len(CONTENT) + 7), CONTENT[:-1] + b"?"])
    def test_what_does_not_fit_is_fetched_anew(self, server, tmp_path, before):
        (tmp_path / "file.part").write_bytes(before)
        downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert server.skipped == [len(before), 0]

    def test_all_of_it_is_used(self, server, tmp_path):
        (tmp_path / "file.part").write_bytes(CONTENT)
        downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert server.skipped == [len(CONTENT)]

    def test_of_two_at_once_one_waits_for_the_other(self, server, tmp_path):
        path, found = tmp_path / "file", []
        with downloads.claimed(tmp_path / "file.part") as part:
            thread = threading.Thread(target=lambda: found.append(downloads.fetch(f"{server.url}/whole", path, SHA256)))
            thread.start()
            thread.join(0.2)
            assert thread.is_alive()
            assert server.asked == []
            part.write(CONTENT)
            part.flush()
            (tmp_path / "file.part").replace(path)
        thread.join()
        assert found == [path]
        assert server.asked == []
        assert list(tmp_path.iterdir()) == [path]


class Noted:
    """What was told of progress."""

    def __init__(self):
        self.told = []

    def stage(self, name, total, done=0):
        self.told.append((name, total, done))

    def update(self, done, note=""):
        self.told.append((done, note))


def test_who_watches_is_told_how_far_it_is(server, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    noted = Noted()
    with watched_by(noted):
        downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256)
    downloads.fetch(f"{server.url}/whole", tmp_path / "other", SHA256)  # nobody watches any more
    first, *updates = noted.told
    assert first == ("fetch file", len(CONTENT), 1000)
    assert [done for done, _ in updates] == sorted({done for done, _ in updates})
    assert updates[-1] == (len(CONTENT), "5 MiB")


def test_offline_nothing_is_asked_for(server, tmp_path, monkeypatch):
    monkeypatch.setenv("FMBENCH_OFFLINE", "1")
    with pytest.raises(Unavailable, match=r"cannot fetch .* \(FMBENCH_OFFLINE is set\); put the file by hand at"):
        downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256)
    assert server.asked == []
    (tmp_path / "file").write_bytes(CONTENT)
    assert downloads.fetch(f"{server.url}/whole", tmp_path / "file", SHA256) == tmp_path / "file"


def test_nobody_listens(tmp_path):
    with socket.socket() as taken:  # bound but not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="put the file by hand") as error:
            downloads.fetch(f"http://127.0.0.1:{taken.getsockname()[1]}/x", tmp_path / "file", SHA256)
    one_line(error)


def test_something_else_is_sent(server, tmp_path):
    with pytest.raises(FmbenchError, match=r"sent a file of SHA-256 .*by hand") as error:
        downloads.fetch(f"{server.url}/other", tmp_path / "file", SHA256)
    one_line(error)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_not_used_again(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(FmbenchError, match="delete it and fetch it again") as error:
        downloads.fetch("file:///nowhere", path, SHA256)
    assert str(path) in one_line(error)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(Unavailable, match="cannot fetch"):
        downloads.fetch("file:///nowhere", tmp_path / "taken" / "file", SHA256)


def test_the_cache_folder(monkeypatch):
    monkeypatch.setenv("FMBENCH_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert downloads.cache_folder() == Path("/a")
    monkeypatch.delenv("FMBENCH_CACHE")
    assert downloads.cache_folder() == Path("/b/fmbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert downloads.cache_folder() == Path("/c/.cache/fmbench")


def test_without_a_home_what_needs_a_cache_names_the_variable(monkeypatch):
    for variable in ("FMBENCH_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)

    def nobody(_):
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(Unavailable, match="set FMBENCH_CACHE to a folder"):
        downloads.cache_folder()
    monkeypatch.setattr(sources, "PACKAGES", Path("/nowhere"))
    with pytest.raises(FmbenchError, match=r"dataset fashion-mnist: .*set FMBENCH_CACHE to a folder, or install"):
        fashion_mnist.fashion_mnist()
    monkeypatch.delenv("FMBENCH_INCEPTION", raising=False)
    with pytest.raises(Unavailable, match=r"no Inception weights: .*set FMBENCH_CACHE to a folder, or set"):
        inception.locate("")
