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

WITHIN_S: Final = 3.0
HANDSHAKE_S: Final = 5.0  # of a head that is busy
_SHORTEST_TOKEN: Final = 16
_ENCRYPT: Final = "all machines encrypt, with certificates of one authority, or none does: docs/cluster.md, Encryption"


def check(address: str, token: str, tls: str) -> None:
    """Check that token and certificates may be used, and that the head answers.

    Raises:
        ClusterError: something of that does not hold.
    """
    check_files(Path(token), Path(tls) if tls else None)
    if why_not := why_no_answer(address, Path(tls) if tls else None):
        raise ClusterError(
            f"{no_answer(address)}: {why_not}",
            advice=mends(
                why_not, "start its head again (docs/cluster.md); the work goes on by itself"
            ),
        )


def check_files(token: Path, tls: Path | None) -> None:
    """Check that what a member of a cluster shows may be used.

    Raises:
        ClusterError: it may not.
    """
    for why in (why_no_token(token), why_no_certificates(tls) if tls else None):
        if why:
            raise ClusterError(why[0], advice=why[1])


def mends(why_no_answer: str, otherwise: str) -> str:
    """Return what mends that nobody answers: `otherwise`, if it is not the encryption."""
    return _ENCRYPT if encryption.is_at_fault(why_no_answer) else otherwise


def no_answer(address: str) -> str:
    """Say that nobody answers; the reason follows."""
    return f"the cluster at {address} does not answer"


def went_away(address: str) -> str:
    """Say that the connection to a cluster broke."""
    return f"the cluster at {address} went away"


def is_over_when_it_answers(said: str, address: str) -> bool:
    """Tell whether a reason not to use a cluster holds no more once somebody answers there."""
    return said.startswith((no_answer(address), went_away(address)))


def why_no_answer(address: str, tls: Path | None) -> str:
    """Say why nobody answers at an address who could be a head for this side; "" if somebody does.

    Args:
        address: ``host:port``.
        tls: this side's folder of certificates; None if it does not encrypt.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=WITHIN_S) as connection:
            connection.settimeout(HANDSHAKE_S)
            return encryption.why_not(connection, host, tls)
    except TimeoutError:
        return f"no answer within {WITHIN_S:.0f} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def why_no_token(path: Path) -> tuple[str, str] | None:
    """Say why a file cannot be the token, and what mends it; None if it can."""
    try:
        about = path.stat()
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        return f"the token {path} cannot be read: {error}", _make(path)
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"others can read the token {path}", f"chmod 600 {path}"
    # Root reads everybody's, as for `pixd doctor` where the service has a user of its own.
    if os.geteuid() != 0 and about.st_uid not in {os.geteuid(), 0}:
        return f"the token {path} belongs to another user", f"chown $USER {path}"
    if len(text) < _SHORTEST_TOKEN:
        return f"the token {path} is too short to be one", _make(path)
    return None


def why_no_certificates(folder: Path) -> tuple[str, str] | None:
    """Say why the certificates in a folder cannot be used, and what mends it; None if they can."""
    if why_not := encryption.why_no_certificates(folder):
        return why_not, "docs/cluster.md says how to make them: Encryption"
    return None


def _make(path: Path) -> str:
    return f"pixd cluster token {path}, and the same file on every machine"
