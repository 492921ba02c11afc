"""Whether both sides of a connection to a cluster speak TLS, found out by a handshake.

Ray itself, where only one side does, tries for 20 s and then says that the head "may have been killed".
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pixd.cluster.fault import START, Fault

if TYPE_CHECKING:
    import socket

FILES: Final = {
    "RAY_TLS_SERVER_CERT": "node.crt",
    "RAY_TLS_SERVER_KEY": "node.key",
    "RAY_TLS_CA_CERT": "ca.crt",
}
"""What a folder of certificates holds, by Ray's variable for its path."""
_PART_BYTES: Final = 1 << 16
_PROTOCOL: Final = "h2"  # gRPC's servers refuse who does not offer it
_MAKE: Final = "docs/cluster.md says how to make them: Encryption"
_ALL_OR_NONE: Final = "all machines encrypt, with certificates of one authority, or none does: docs/cluster.md, Encryption"
_OTHER_SIDE: Final = Fault("it encrypts (TLS), and this side does not", _ALL_OR_NONE)
_THIS_SIDE: Final = Fault("it does not encrypt, and this side does", _ALL_OR_NONE)


def why_no_certificates(folder: Path) -> Fault | None:
    """Say why the certificates in a folder cannot be used; None if they can."""
    missing = [name for name in FILES.values() if not os.access(folder / name, os.R_OK)]
    if missing:
        return Fault(f"{folder} lacks {', '.join(missing)}, or they cannot be read", _MAKE)
    try:
        _context(folder)
    except OSError as error:
        return Fault(f"the certificates in {folder} cannot be used: {_reason(error)}", _MAKE)
    return None


def why_not(connection: socket.socket, host: str, folder: Path | None) -> Fault | None:
    """Say why this side and the one at the other end of a new connection do not fit; None if they do.

    Args:
        connection: to the head; of no use afterwards. Its timeout is that of each answer.
        host: the head's name or address, which its certificate must have.
        folder: this side's certificates; None if it does not encrypt.
    """
    if folder is not None and (fault := why_no_certificates(folder)):
        return fault
    context = _blind() if folder is None else _context(folder)
    try:
        _shake_hands(connection, host, context)
    except ssl.SSLCertVerificationError as error:
        return _not_accepted(error.verify_message)
    except TimeoutError:
        return None if folder is None else Fault("it takes the connection and says nothing", START)
    except OSError as error:
        # Who does not speak TLS answers with something else, or hangs up.
        speaks_tls = isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
        if folder is not None:
            return _not_accepted(_reason(error)) if speaks_tls else _THIS_SIDE
        return _OTHER_SIDE if speaks_tls else None
    return _OTHER_SIDE if folder is None else None


def _not_accepted(reason: str) -> Fault:
    return Fault(
        f"its certificate is not accepted: {reason}",
        "make the certificates again, of one authority and with the address of every machine:"
        " docs/cluster.md, Encryption",
    )


def _shake_hands(connection: socket.socket, host: str, context: ssl.SSLContext) -> None:
    """Do a handshake.

    Not by `wrap_socket`: where the other side has hung up already, it leaves a socket that is nobody's
    (Python 3.11).

    Raises:
        OSError: the other side does not take part, or is not accepted.
    """
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, to_send, server_hostname=host)
    is_done = False
    while not is_done:
        try:
            tls.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            connection.sendall(to_send.read())
            if data := connection.recv(_PART_BYTES):
                received.write(data)
            else:
                received.write_eof()
    connection.sendall(to_send.read())


def _context(folder: Path) -> ssl.SSLContext:
    """Return what this side shows, and what it asks of the other.

    Raises:
        OSError: the files cannot be read, or are none that fit together (ssl.SSLError).
    """
    context = ssl.create_default_context(cafile=str(folder / FILES["RAY_TLS_CA_CERT"]))
    context.load_cert_chain(
        folder / FILES["RAY_TLS_SERVER_CERT"],
        folder / FILES["RAY_TLS_SERVER_KEY"],
        password=_no_password,
    )
    context.set_alpn_protocols([_PROTOCOL])
    return context


def _no_password() -> str:
    """Have a key with a password refused; else OpenSSL asks the terminal for it."""
    return ""


def _blind() -> ssl.SSLContext:
    """Return what accepts every certificate: it is only to see whether there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([_PROTOCOL])
    return context


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", "") or error.strerror or str(error)
    return reason.lower().replace("_", " ")
