"""Which sides of a connection fit: real handshakes with servers of one process."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixd.cluster import encryption, reach
from pixd.cluster.carrier import ClusterError
from pixd.cluster.fault import START
from tests.support.certificates import certificates

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not here")

SETTINGS = bytes.fromhex("000000040000000000")
"""What a gRPC server without TLS says first: an empty frame of settings (RFC 9113, 6.5)."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return folders: ours, of another authority, and of another address."""
    root = tmp_path_factory.mktemp("certificates")
    here = ["IP:127.0.0.1"]
    return {
        "ours": certificates(root / "ours", here),
        "another's": certificates(root / "other", here),
        "elsewhere": certificates(root / "elsewhere", ["IP:10.9.9.9"]),
    }


@contextlib.contextmanager
def head(folder: Path | None, *, speaks: bool = True) -> Iterator[str]:
    """Give the address of what answers as a head of Ray does; without `speaks`, not at all."""
    context = None
    if folder is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.crt")
        context.load_cert_chain(folder / "node.crt", folder / "node.key")
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["h2"])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            with contextlib.suppress(OSError), connection:
                if not speaks:
                    connection.recv(1 << 16)
                    connection.recv(1)  # until the other side gives up
                elif context is None:
                    connection.sendall(SETTINGS)
                    connection.recv(1 << 16)
                else:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        secure.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("theirs", "ours", "said", "mend"),
    [
        ("ours", None, "it encrypts (TLS), and this side does not", "all machines encrypt"),
        (None, "ours", "it does not encrypt, and this side does", "all machines encrypt"),
        ("another's", "ours", "not accepted: self-signed certificate", "certificates again"),
        ("elsewhere", "elsewhere", "not accepted: IP address mismatch", "the address of every"),
    ],
)
def test_what_does_not_fit_is_named_with_what_mends_it(
    made: dict[str, Path], theirs: str | None, ours: str | None, said: str, mend: str
) -> None:
    with head(made[theirs] if theirs else None) as address:
        found = reach.why_no_answer(address, made[ours] if ours else None)
    assert found
    assert said in found.why
    assert mend in found.mend
    assert found.mend.endswith("docs/cluster.md, Encryption")


@pytest.mark.parametrize("both", [None, "ours"])
def test_nothing_is_said_of_two_sides_that_fit(made: dict[str, Path], both: str | None) -> None:
    folder = made[both] if both else None
    with head(folder) as address:
        assert reach.why_no_answer(address, folder) is None


def test_where_nobody_listens_the_head_is_to_be_started(made: dict[str, Path]) -> None:
    with head(None) as address:
        pass
    for ours in (None, made["ours"]):
        found = reach.why_no_answer(address, ours)
        assert found
        assert found.why == "connection refused"
        assert found.mend.startswith("start its head")


def test_who_takes_a_connection_and_says_nothing_is_not_called_unencrypted(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "HANDSHAKE_S", 0.2)
    with head(None, speaks=False) as address:
        found = reach.why_no_answer(address, made["ours"])
        assert found == ("it takes the connection and says nothing", START)
        assert reach.why_no_answer(address, None) is None


def test_certificates_that_vanish_are_not_told_as_a_head_that_is_away(tmp_path: Path) -> None:
    with head(None) as address:
        found = reach.why_no_answer(address, tmp_path)
    assert found
    assert found.why == f"{tmp_path} lacks node.crt, node.key, ca.crt, or they cannot be read"
    assert "how to make them" in found.mend


def said_of(folder: Path) -> str:
    found = encryption.why_no_certificates(folder)
    return found.why if found else ""


def test_certificates_that_cannot_be_used_are_named_before_anything_is_asked(
    made: dict[str, Path], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    for source in made["ours"].iterdir():
        shutil.copy(source, tmp_path / source.name)
    assert encryption.why_no_certificates(tmp_path) is None
    reach.check_files(token, tmp_path)

    shutil.copy(made["another's"] / "node.key", tmp_path / "node.key")
    assert said_of(tmp_path).endswith("cannot be used: key values mismatch")
    locked = ["-aes128", "-passout", "pass:secret"]
    key = ["openssl", "ec", "-in", str(made["ours"] / "node.key"), *locked]
    subprocess.run([*key, "-out", str(tmp_path / "node.key")], check=True, capture_output=True)
    assert "cannot be used: " in said_of(tmp_path)
    (tmp_path / "node.key").unlink()
    assert "lacks node.key" in said_of(tmp_path)
    with pytest.raises(ClusterError, match=r"lacks node\.key") as caught:
        reach.check("127.0.0.1:1", token, tmp_path)
    assert "docs/cluster.md" in caught.value.advice
