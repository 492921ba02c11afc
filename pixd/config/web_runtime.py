"""The browsers' runtime of an exported page: which one, and where its package lies.

pixd opens no connection for it. A person fetches the package once with npm, and names it; it is taken
only if it is the one that was tested, byte for byte, and then it is kept for later exports.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from pixd.system.errors import PixdError

VERSION: Final = "1.30.0"
FILE: Final = f"onnxruntime-web-{VERSION}.tgz"
SHA512: Final = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
"""Of the package; npm names the same as its integrity."""


def kept() -> Path:
    """Return where the package is kept, there or not."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pixd" / FILE


def find(named: str | None) -> Path:
    """Return the package: the named file, which is then kept, or the kept one.

    Raises:
        PixdError: there is none, or it is another one.
    """
    if named is None:
        path = kept()
        if not path.is_file():
            raise PixdError(
                f"a page needs the browsers' runtime, and {path} is not there",
                advice=f"once: npm pack onnxruntime-web@{VERSION}, then add --runtime {FILE}",
            )
        _check(path)
        return path
    _check(Path(named))
    path = kept()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.copyfile(named, half)
        half.replace(path)
    return Path(named).absolute()


def _check(path: Path) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha512").hexdigest()
    except OSError as error:
        raise PixdError(
            f"{path}: {error.strerror}", advice=f"name {FILE}, which npm pack writes"
        ) from error
    if found != SHA512:
        raise PixdError(
            f"{path} is not onnxruntime-web {VERSION} as npm has it",
            advice=f"npm pack onnxruntime-web@{VERSION}",
        )
