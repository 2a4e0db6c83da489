"""A hub of networks on this machine: answers as Hugging Face's does, serves parts of files, misbehaves when told to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What it holds and what was asked of it."""

    name: str
    files: dict[str, bytes]
    break_after: int | None = None
    """The next answer with a file ends after so many bytes, once."""
    ignores_ranges: bool = False
    sends_instead: dict[str, bytes] = field(default_factory=dict)
    """Other contents than the checksum says."""
    status: int = 200
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each."""
    address: str = ""

    def description(self) -> bytes:
        siblings = []
        for name, data in self.files.items():
            entry: dict = {"rfilename": name, "size": len(data), "blobId": _git_name(data)}
            if name.endswith(".safetensors"):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 133}
            siblings.append(entry)
        return json.dumps({"id": self.name, "sha": REVISION, "siblings": siblings}).encode()


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.requests.append((self.path, self.headers.get("Range", "")))
            if hub.status != 200:
                self.send_error(hub.status)
            elif self.path.startswith(f"/api/models/{hub.name}/revision/main"):
                self._answer(200, hub.description())
            elif (name := self.path.removeprefix(f"/{hub.name}/resolve/{REVISION}/")) in hub.files:
                self._file(hub.sends_instead.get(name, hub.files[name]))
            else:
                self.send_error(404)

        def _file(self, data: bytes) -> None:
            asked, start = self.headers.get("Range", ""), 0
            if asked and not hub.ignores_ranges:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    return self.send_error(416)
            self._answer(206 if start else 200, data[start:], start, len(data))

        def _answer(self, status: int, data: bytes, start: int = 0, whole: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            self.end_headers()
            if whole and hub.break_after is not None:
                data, hub.break_after = data[: hub.break_after], None
                self.close_connection = True
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    return Handler


def _git_name(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
