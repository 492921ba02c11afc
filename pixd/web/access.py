"""Who may use the page: two tokens in a file of the page's own, and signatures for pictures.

The file is the only secret. It is readable by its owner alone, it stays over restarts, and a new
one (`pixd web --new-token`) ends every session and every signed address at once.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pixd.system import durable
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM_STATES = (Path("/var/lib/pixd-web"), Path("/var/lib/pixd"))
"""What StateDirectory= makes in systemd/pixd-web.service and in systemd/pixd.service."""
TOKENS = "tokens.json"
ADDRESS = "address.json"
_TOKEN_BYTES = 32
_SIGNATURE_BYTES = 16  # 128 bits of an HMAC whose key nobody has


class Right(enum.StrEnum):
    """What the bearer of a token may do."""

    FULL = "full"
    READ = "read-only"


class Secrets(NamedTuple):
    """The two tokens, and the key that picture addresses are signed with."""

    full: str
    read: str
    key: str

    def right_of(self, token: str) -> Right | None:
        """Return what a token allows, or None; takes as long for a wrong one as for a right one."""
        given = token.encode("utf-8", "surrogateescape")
        is_full = hmac.compare_digest(given, self.full.encode())
        is_read = hmac.compare_digest(given, self.read.encode())
        return Right.FULL if is_full else Right.READ if is_read else None

    def signature(self, digest: str, kind: str) -> str:
        """Return what a picture's address must carry, because `<img>` can send no token."""
        said = f"{digest}/{kind}".encode()
        made = hmac.new(self.key.encode(), said, hashlib.sha256).digest()
        return made[:_SIGNATURE_BYTES].hex()

    def is_signed(self, digest: str, kind: str, signature: str) -> bool:
        """Tell whether a signature is right."""
        made = self.signature(digest, kind).encode()
        return hmac.compare_digest(made, signature.encode("utf-8", "surrogateescape"))


def state_folder(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the page's own folder for what it keeps: tokens, and where it listens.

    It is below systemd's, or below ``$XDG_STATE_HOME/pixd``, one for each configuration.
    """
    named = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if named:
        return Path(named) / "web" / _name_of(config)
    home = environ.get("XDG_STATE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state"
    return base / "pixd" / "web" / _name_of(config)


def known_state_folders(config: Path, environ: Mapping[str, str]) -> list[Path]:
    """Return the folders of the pages that a person may mean: their own, then the units'.

    At least one; their own also where no page of theirs ever ran and no unit's is there.

    Raises:
        PixdError: only a unit's is there, and this user may not read it.
    """
    own = state_folder(config, environ)
    known = [own] if own.exists() else []
    for above in SYSTEM_STATES:
        found = above / "web" / _name_of(config)
        try:
            if (found / TOKENS).stat():
                known.append(found)
        except PermissionError as error:
            if not known:
                raise PixdError(
                    f"the page's tokens are in {found}, which you may not read",
                    advice="sudo pixd web --link",
                ) from error
        except OSError:
            continue
    return known or [own]


def cache_folder(config: Path, environ: Mapping[str, str]) -> Path:
    """Return the page's own folder for what can be made again: thumbnails, uploads on the way."""
    named = environ.get("CACHE_DIRECTORY", "").split(":")[0]
    if named:
        return Path(named) / _name_of(config)
    home = environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
    return base / "pixd" / "web" / _name_of(config)


def _name_of(config: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.realpath(config))).hexdigest()[:16]


class Access:
    """The secrets of one page, read again whenever their file is another one."""

    def __init__(self, folder: Path) -> None:
        """Read the secrets, making them at first use.

        Raises:
            PixdError: the folder cannot be written, or others may read the file.
        """
        self.folder = folder
        self._path = folder / TOKENS
        self._stamp: tuple[int, int] = (0, 0)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._path.exists():
                write_new(folder)
        except OSError as error:
            raise PixdError(
                f"the tokens of the page cannot be written to {self._path}: {error.strerror}",
                advice="make the folder writable, or set XDG_STATE_HOME to another",
            ) from error
        self._secrets = self._read()

    @property
    def secrets(self) -> Secrets:
        """The secrets that are in force now."""
        try:
            about = self._path.stat()
        except OSError:
            return self._secrets
        if (about.st_ino, about.st_mtime_ns) != self._stamp:
            self._secrets = self._read()
        return self._secrets

    def _read(self) -> Secrets:
        try:
            about = self._path.stat()
            if about.st_mode & 0o077:
                raise PixdError(
                    f"others may read the tokens in {self._path}",
                    advice=f"chmod 600 {self._path}; then new ones: pixd web --new-token",
                )
            told = json.loads(self._path.read_bytes())
            found = Secrets(str(told["full"]), str(told["read"]), str(told["key"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PixdError(
                f"the tokens in {self._path} cannot be read: {error}",
                advice="make new ones: pixd web --new-token",
            ) from error
        if not all(found):
            raise PixdError(f"{self._path} holds no token", advice="pixd web --new-token")
        self._stamp = (about.st_ino, about.st_mtime_ns)
        return found


def write_new(folder: Path) -> None:
    """Write new secrets; those before are worth nothing from then on.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = {name: secrets.token_urlsafe(_TOKEN_BYTES) for name in Secrets._fields}
    with _as_owner_of(folder):
        durable.write_file(folder / TOKENS, json.dumps(made).encode(), mode=0o600)


@contextlib.contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """Let root write as the user whose folder it is: the page must be able to read the file."""
    owner = folder.stat()
    group = os.getegid()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
