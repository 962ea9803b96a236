"""A server for one page: it answers to two addresses, and neither is a path of the file system."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fmbench.errors import FmbenchError
from fmbench.report.page.live import Site

LOOPBACK = ("127.0.0.1", "localhost")


class PageServer(ThreadingHTTPServer):
    """The server of a site.

    Args:
        site: that it shows.
        host: to listen on.
        port: likewise; 0 for a free one.

    Raises:
        FmbenchError: the address cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, site: Site, host: str, port: int) -> None:
        self.site = site
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise FmbenchError(
                f"cannot serve on {host}:{port} ({error.strerror or error}): give another --port, or 0 for a free one"
            ) from error

    @property
    def address(self) -> str:
        """What to type into a browser."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"


class Handler(BaseHTTPRequestHandler):
    """Answers GET of the page and of the progress."""

    server: PageServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, the progress, or nothing."""
        answers: dict[str, tuple[str, Callable[[], str]]] = {
            "/": ("text/html; charset=utf-8", self.server.site.page),
            "/progress.json": ("application/json", lambda: json.dumps(self.server.site.progress())),
        }
        known = answers.get(self.path.partition("?")[0])
        if not self.meant():
            self.answer(HTTPStatus.FORBIDDEN, "text/plain", "this server answers to its own address alone\n")
        elif known is None:
            self.answer(HTTPStatus.NOT_FOUND, "text/plain", "there is nothing here but /\n")
        else:
            kind, make = known
            try:
                self.answer(HTTPStatus.OK, kind, make())
            except FmbenchError as error:
                self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", f"{error}\n")

    def meant(self) -> bool:
        """Whether the request names this server's own address.

        A page of another site could have its host name resolve to 127.0.0.1 (DNS rebinding), and its scripts would then
        read what is shown here; such a request carries the other site's name in its Host header, and is refused.
        """
        host = str(self.server.server_address[0])
        asked = re.sub(r":\d+$", "", self.headers.get("Host", ""))  # of port 80 browsers say nothing
        return host not in LOOPBACK or asked in LOOPBACK

    def answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        """Send a text."""
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        try:
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the reader has gone

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing of single requests."""
