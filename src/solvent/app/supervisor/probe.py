"""Is it up: a port free, an HTTP endpoint answering, a postmaster taking connections?"""

import os
import socket
from collections.abc import Container
from pathlib import Path

LOOPBACK = "127.0.0.1"
QUIET_FROM, QUIET_TO = 20_000, 32_768
FREE_TRIES = 50
STATUS_LINE = 7
HTTP_OK = b" 200 "


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    return not why_not_listen(port, LOOPBACK)


def why_not_listen(port: int, host: str) -> str:
    """Why no server could listen there now, in the system's words; empty if one could."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def free_port(*, avoid: Container[int] = ()) -> int:
    """A port on loopback that nobody listens on now, and not one to avoid.

    Sought below the range from which systems draw the ports of outgoing connections, since one of
    those could sit on it at the next start.
    """
    for _ in range(FREE_TRIES):
        port = QUIET_FROM + int.from_bytes(os.urandom(4)) % (QUIET_TO - QUIET_FROM)
        if port not in avoid and port_is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((LOOPBACK, 0))
        drawn: int = sock.getsockname()[1]
    return drawn


def http_ok(host: str, port: int, path: str, *, timeout_s: float = 0.5) -> bool:
    """Whether a GET is answered with 200. Stands alone: http.client would cost 3 MB."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as sock:
            sock.sendall(request.encode("ascii"))
            return HTTP_OK in sock.recv(64)
    except OSError:
        return False


def postmaster_ready(data: Path, pid: int) -> bool:
    """Whether the postmaster with this id takes connections, by the status that it writes."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8", errors="replace").split("\n")
    except OSError:
        return False
    if len(lines) <= STATUS_LINE or lines[0].strip() != str(pid):
        return False
    return lines[STATUS_LINE].strip() == "ready"
