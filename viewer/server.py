"""The web server behind the page: bound to this machine, on a free port, silent, and never reaching out."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterator
from typing import Any

from recon.errors import InputError

__all__ = ["address_of", "free_port", "open_server", "quiet"]

_TRIED = 100
"""Ports looked at, upwards from the one asked for."""


def open_server(host: str, port: int) -> Any:
    """A running `viser.ViserServer`. Its page loads nothing from elsewhere, and nobody can have it open a tunnel."""
    import viser

    class LocalServer(viser.ViserServer):
        """Any page that reaches the port may ask viser for a public address; this one has none to give."""

        def request_share_url(self, verbose: bool = True) -> str | None:
            return None

    # Whoever asks for the page in another way than a browser, as `curl -I` does, is refused without a traceback.
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)
    with quiet():
        return LocalServer(host=host, port=port, verbose=False)


def free_port(host: str, port: int) -> int:
    """The first port from `port` upwards that nobody listens on; 0 stays 0 and is chosen by the system."""
    last = None
    for candidate in range(port, min(port + _TRIED, 65536)):
        try:
            with socket.create_server((host, candidate), family=_family(host)):
                return candidate if port != 0 else 0
        except socket.gaierror as error:
            raise InputError(
                f"{host} is no address of this machine: {error.strerror}.", advice="Try --host 127.0.0.1."
            ) from error
        except OSError as error:
            last = error
            if error.errno == errno.EADDRNOTAVAIL:
                break
    reason = "it is not between 0 and 65535" if last is None else last.strerror
    raise InputError(
        f"The viewer cannot listen on {host}, port {port}: {reason}.",
        advice="Choose another with --port, or train with --no-viewer.",
    )


def address_of(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """viser greets and parts on standard output, where scripts expect nothing but our own answer.

    A browser that is slow to let go delays the parting until after this; it then goes to standard error.
    """
    import rich

    console = rich.get_console()
    console.stderr = True
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
