"""A web server on this machine that serves one file or several, well or badly."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What to serve, how, and what was asked for.

    Attributes:
        content: the bytes of the file, at any path; or path -> bytes of several files.
        ranges: whether Range requests are honoured.
        cut_after: for each coming answer, bytes of the body after which the connection ends; empty:
        never.
        status: answered instead of the file, if set.
        busy: for so many requests the answer is 503.
        requests: (path, Range header) of each request.
    """

    content: bytes | Mapping[str, bytes]
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    status: int | None = None
    busy: int = 0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((handler.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        content = self.content
        if not isinstance(content, bytes):
            content = content.get(handler.path)
        if self.busy:
            self.busy -= 1
            handler.send_error(503)
            return
        if self.status or content is None or (start and start >= len(content)):
            handler.send_error(self.status or (404 if content is None else 416))
            return
        body = content[start:]
        handler.send_response(206 if start else 200)
        if start:
            last = len(content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_after.pop(0)] if self.cut_after else body)


@contextmanager
def serving(content: bytes | Mapping[str, bytes], **behaviour: object) -> Iterator[FileServer]:
    """Runs a FileServer on a free port of 127.0.0.1; ``url`` is its address."""
    files = FileServer(content, **behaviour)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            files.answer(self)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
