"""Whether a cluster can be reached at all, found out in seconds, without joining it.

To join takes Ray 20 s where the token is wrong or nobody answers; a connection says more, sooner.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Final

from pixd.cluster import encryption
from pixd.cluster.carrier import ClusterError
from pixd.cluster.fault import START, Fault
from pixd.system import host_port

WITHIN_S: Final = 3.0
HANDSHAKE_S: Final = 5.0  # of a head that is busy
_SHORTEST_TOKEN: Final = 16


def check(address: str, token: Path, tls: Path | None) -> None:
    """Check that token and certificates may be used, and that the head answers.

    Ray itself tries for 30 s, and then its reason is in the middle of a line of 600 characters.

    Raises:
        ClusterError: something of that does not hold.
    """
    check_files(token, tls)
    if fault := why_no_answer(address, tls):
        raise ClusterError(f"{no_answer(address)}: {fault.why}", advice=fault.mend)


def check_files(token: Path, tls: Path | None) -> None:
    """Check that what a member of a cluster shows may be used.

    Raises:
        ClusterError: it may not.
    """
    for fault in (why_no_token(token), why_no_certificates(tls) if tls else None):
        if fault:
            raise ClusterError(fault.why, advice=fault.mend)


def no_answer(address: str) -> str:
    """Say that nobody answers; the reason follows."""
    return f"the cluster at {address} does not answer"


def went_away(address: str) -> str:
    """Say that the connection to a cluster broke."""
    return f"the cluster at {address} went away"


def is_over_when_it_answers(said: str, address: str) -> bool:
    """Tell whether a reason not to use a cluster holds no more once somebody answers there."""
    return said.startswith((no_answer(address), went_away(address)))


def why_no_answer(address: str, tls: Path | None) -> Fault | None:
    """Say why nobody answers at an address who could be a head for this side; None if somebody does.

    Args:
        address: for `pixd.system.host_port.split`.
        tls: this side's folder of certificates; None if it does not encrypt.
    """
    at = host_port.split(address)
    assert at  # it was looked at where it was read
    try:
        with socket.create_connection(at, timeout=WITHIN_S) as connection:
            connection.settimeout(HANDSHAKE_S)
            return encryption.why_not(connection, at.host, tls)
    except TimeoutError:
        return Fault(f"no answer within {WITHIN_S:.0f} s", START)
    except OSError as error:
        return Fault((error.strerror or str(error)).lower(), START)


def why_no_token(path: Path) -> Fault | None:
    """Say why a file cannot be the token; None if it can."""
    try:
        about = path.stat()
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        return Fault(f"the token {path} cannot be read: {error}", _make(path))
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Fault(f"others can read the token {path}", f"chmod 600 {path}")
    # Root reads everybody's, as for `pixd doctor` where the service has a user of its own.
    if os.geteuid() != 0 and about.st_uid not in {os.geteuid(), 0}:
        return Fault(f"the token {path} belongs to another user", f"chown $USER {path}")
    if len(text) < _SHORTEST_TOKEN:
        return Fault(f"the token {path} is too short to be one", _make(path))
    return None


def why_no_certificates(folder: Path) -> Fault | None:
    """Say why the certificates in a folder cannot be used; None if they can."""
    return encryption.why_no_certificates(folder)


def _make(path: Path) -> str:
    return f"pixd cluster token {path}, and the same file on every machine"
