"""Files from the network: resumed where a transfer broke off, and checked before they get their names."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from recon.errors import InputError, RunError
from recon.io.disk import unwritable

__all__ = ["RemoteFile", "check_file", "download", "open_url"]

_TIMEOUT = 30.0
"""Seconds of silence that break a transfer."""
_TRIES = 4
"""A transfer that breaks off is resumed, until so many in a row brought nothing."""
_BLOCK = 1 << 20

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class RemoteFile:
    """Where a file comes from, and how to know that it is the right one."""

    url: str
    size: int
    """Bytes."""
    sha256: str = ""
    """Hex digits of its contents."""
    git_sha1: str = ""
    """Hex digits that git calls it by, for small files where nobody says the other."""

    def __post_init__(self) -> None:
        assert self.sha256 or self.git_sha1, "nothing is kept that cannot be checked"


def download(file: RemoteFile, path: Path, progress: Progress = lambda done, what: None) -> bool:
    """Bring the file to `path`, unless it is there already and right; True when it had to.

    What came of a transfer that was broken off, by Ctrl-C too, stays beside as `.part` and is gone on with. Raises
    `RunError` where the network, the disk or the contents are not as they should be; `path` is then as it was.
    """
    if path.is_file() and path.stat().st_size == file.size and _is_right(path, file):
        return False
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_space(file, part)
        _transfer(file, part, progress)
        check_file(part, file)
        os.replace(part, path)
    except OSError as error:
        raise unwritable(path, error) from error
    return True


def check_file(path: Path, file: RemoteFile) -> None:
    """Raise `RunError`, and remove it, unless `path` is the file that was meant."""
    size = path.stat().st_size
    if size == file.size and _is_right(path, file):
        return
    path.unlink()
    cause = f"{size} bytes instead of {file.size}" if size != file.size else "its checksum is wrong"
    raise RunError(
        f"What came from {file.url} is not the file it should be: {cause}. It was thrown away.",
        advice="Run the command again; if it stays so, the server or something on the way to it changes the file.",
    )


def open_url(url: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    """The answer to a request; raises `RunError` in words where there is none."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(f"{url} is no address to download from.", advice="Pass one that begins with https://.")
    request = urllib.request.Request(url, headers={"User-Agent": "recon"} | (headers or {}))
    try:
        return urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            raise
        raise RunError(f"{url} could not be downloaded: {_said(error.code)}.", advice=_advice_on(error.code)) from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", None) or error
        raise RunError(
            f"{url} could not be reached: {cause}.",
            advice="Check the network and the proxy settings, or copy the files by hand.",
        ) from None


def _transfer(file: RemoteFile, part: Path, progress: Progress) -> None:
    """Append to `part` until it is complete, with a new request wherever one breaks off."""
    fruitless, farthest = 0, 0
    while (have := part.stat().st_size if part.exists() else 0) < file.size:
        if fruitless == _TRIES:
            raise RunError(
                f"{file.url} broke off {_TRIES} times at {have / 1e6:.1f} of {file.size / 1e6:.1f} MB.",
                advice="Run the command again later: it goes on from there.",
            )
        farthest = max(farthest, have)
        _one_request(file, part, have, progress)
        fruitless = fruitless + 1 if part.stat().st_size <= farthest else 0


def _one_request(file: RemoteFile, part: Path, have: int, progress: Progress) -> None:
    try:
        answer = open_url(file.url, {"Range": f"bytes={have}-"} if have > 0 else {})
    except urllib.error.HTTPError:  # it has no byte so far behind: what is here belongs to another file
        part.unlink()
        part.touch()
        return
    resumed = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
    name = part.name.removesuffix(".part")
    with answer, part.open("ab" if resumed else "wb") as out:
        while out.tell() <= file.size:  # a server that sends more than it should is not listened to for ever
            try:
                block = answer.read(_BLOCK)
            except (TimeoutError, ConnectionError, http.client.HTTPException):
                return
            if not block:
                return
            out.write(block)
            progress(min(out.tell() / file.size, 1.0), name)


def _is_right(path: Path, file: RemoteFile) -> bool:
    with path.open("rb") as data:
        if file.sha256:
            return hashlib.file_digest(data, "sha256").hexdigest() == file.sha256.lower()
        named = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        while block := data.read(_BLOCK):
            named.update(block)
        return named.hexdigest() == file.git_sha1.lower()


def _check_space(file: RemoteFile, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if free < file.size - have:
        raise RunError(
            f"{part.parent} has {free / 1e6:.0f} MB left; the file needs {(file.size - have) / 1e6:.0f} MB.",
            advice="Free some space, or set RECON_WEIGHTS to a folder on another disk.",
        )


def _said(code: int) -> str:
    known = {401: "it wants you to log in", 403: "it is not open to everybody", 404: "there is no such file"}
    return known.get(code, f"the server answers {code} {http.client.responses.get(code, '')}".rstrip())


def _advice_on(code: int) -> str:
    if code in (401, 403):
        return "Accept its licence in a browser, download it there, and pass the folder."
    return "Check the name." if code == 404 else "Try again later, or copy the files by hand."
