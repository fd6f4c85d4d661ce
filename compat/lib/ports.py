"""Ports for what checks start."""

import random
import socket
from pathlib import Path

FIRST_PORT = 10_000


def first_of_clients():
    """Where the ports begin that the system chooses for connections."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768


_mine = range(FIRST_PORT, max(first_of_clients(), 2 * FIRST_PORT))
_given = set()


def take_ports(index, of):
    """From here on this process gives away a part of the ports, and others the other parts."""
    global _mine
    _mine = _mine[index::of]


def free_ports(count):
    """Ports that nobody listens on, that this run has not given away, and that the system gives to no client: while a broker is down, the
    connection of a client that tries to reach it, or any other, could otherwise get the broker's own port."""
    ports = []
    while len(ports) < count:
        port = random.choice(_mine)
        if port not in _given and is_free(port):
            _given.add(port)
            ports.append(port)
    return ports


def is_free(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
