"""Where a service listens: an address of this machine alone, unless there is auth or everybody is meant."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address
from typing import Any, NamedTuple

from ..show import CommandError
from .settings import ServiceTable

_BACKLOG = 2_048
_HOST, _PORT = "127.0.0.1", 8_000
_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")
"""What this machine calls itself."""


class Place(NamedTuple):
    """Where a service is, and in how many processes."""

    host: str
    port: int
    workers: int


def place_of(table: ServiceTable, *, host: str | None, port: int | None, workers: int | None) -> Place:
    """Return where a service is: as the command line says, or else the file."""
    return Place(
        host or table.host or _HOST,
        _first(port, table.port, _PORT),
        _first(workers, table.workers, 1),
    )


def _first(*given: int | None) -> int:
    return next(each for each in given if each is not None)


def check_place(place: Place, *, has_store: bool, has_token: bool, is_open: bool) -> None:
    """Check that a service may be there.

    Args:
        is_open: whether whoever reaches it may call, as the user has said.

    Raises CommandError: if several processes have no store in common, or other machines reach it and nobody is asked
        for a token.
    """
    if place.workers > 1 and not has_store:
        raise CommandError(
            f"--workers {place.workers}: the store in memory is of one process, and the others would not know its runs."
            " Give --store URL, or --workers 1"
        )
    if place.workers > 1 and sys.platform == "win32":
        raise CommandError(f"--workers {place.workers}: on Windows it is one process. Begin several, each on a --port")
    if not (has_token or is_open or is_of_this_machine(place.host)):
        raise CommandError(
            f"--host {place.host}: other machines reach it, and whoever does could begin runs, and pay with your key. "
            "Give --auth-token-env NAME; or --open-to-all, if something in front of it asks who calls"
        )


def names_of(place: Place, *, has_token: bool, is_open: bool) -> tuple[str, ...] | None:
    """Return the names by which callers call a service; None: by any.

    Where nobody is asked for a token, a page of any site could have its own name lead to this machine (DNS rebinding),
    and then call the service from a browser here.
    """
    return None if has_token or is_open else (*_NAMES, place.host, f"[{place.host}]")


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that has an address, and does not listen yet.

    Args:
        port: 0: any that is free.

    Raises CommandError: if the host is none of this machine, or the port is taken.
    """
    family, address = _resolved(host, port)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # where it lets two programs have one port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise _not_listened_on(host, port, error) from None
    return made


def _not_listened_on(host: str, port: int, error: OSError) -> CommandError:
    return CommandError(f"{host}, port {port}, cannot be listened on: {error.strerror}. Give another --port, or --host")


def listening(bare: socket.socket) -> socket.socket:
    """Return a socket that listens: who comes before anybody serves waits.

    Raises CommandError: if another program has begun to listen there since it was bound.
    """
    try:
        bare.listen(_BACKLOG)
    except OSError as error:
        host, port, *_ = bare.getsockname()
        raise _not_listened_on(host, port, error) from None
    return bare


def is_of_this_machine(host: str) -> bool:
    """Return whether a host is reached from this machine alone.

    Raises CommandError: if there is no such host.
    """
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for _, address in _resolved(host, 0))


def url_of(bare: socket.socket) -> str:
    """Return where a socket is reached."""
    host, port, *_ = bare.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _resolved(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise CommandError(f"--host {host!r} is no address: give one of this machine, such as 127.0.0.1") from None
    return [(family, tuple(address)) for family, *_, address in found]
