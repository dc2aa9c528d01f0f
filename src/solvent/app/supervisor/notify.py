"""How does systemd learn that Solvent is ready, or about to stop?"""

import socket


def notify(address: str | None, state: str) -> None:
    """Send the state (`READY=1`, `STOPPING=1`) to the socket of NOTIFY_SOCKET, if there is one.

    The protocol is that of sd_notify(3): one datagram; a leading @ means the abstract namespace.
    """
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.connect(name)
            sock.sendall(state.encode("ascii"))
    except OSError:  # a manager that does not listen must not keep us from running
        return
