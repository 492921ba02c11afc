"""The child of `pixd prepare` that reads sources, which may be hostile, and makes PNG pictures.

It has limited memory and time (`pixd.system.children.confinement`) and writes no file. It may
crash; then the file that it had is refused by name. Its run spec has the folders and the recipe.

Protocol (`pixd.system.children.confined_child`): it reads ``{"names", "target"}`` and answers with
one of these events:

- ``{"event": "done", "files": [[name, bytes], ...], "stale": [name, ...], "bytes"}``, then the
  bytes of the files one after the other. ``set`` is where `split` puts it.
- ``same`` if the files exist already.
- ``rejected`` with a reason and ``source``, the number of the folder whose file is to blame.
- ``failed`` if it cannot work at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pixd
from pixd.images import decode, edges
from pixd.images.picture import TOO_MUCH_MEMORY
from pixd.images.png import encode_png
from pixd.system import safe_open
from pixd.system.children import child, confinement
from pixd.system.children.spec import MakeSpec
from pixd.system.digests import digest_of
from pixd.system.errors import ImageRejectedError, PixdError
from pixd.system.names import path_in
from pixd.training.dataset.pairs import digest_of_files
from pixd.training.prepare import making, seal
from pixd.training.prepare.recipe import SETS, Recipe, Task, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = dict[str, Any]
Answer = tuple[Event, bytes]


class _RefusedError(Exception):
    """Nothing can be made from a source: the number of its folder, and the reason."""

    def __init__(self, source: int, reason: str) -> None:
        super().__init__(reason)
        self.source, self.reason = source, reason


def answer(task: Task, names: list[str], target: str) -> Answer:
    """Make one picture, or copy one file or pair, unless the result exists already.

    Args:
        task: see `Task`.
        names: name text of the source in each folder.
        target: name text of the result.
    """
    try:
        contents = []
        for number, name in enumerate(names):
            with _blaming(number):
                contents.append(_read(task.roots[number], name))
        if task.recipe.op == "split":
            return _split(task, names, contents)
        return _make(task, contents, target)
    except _RefusedError as error:
        return {"event": "rejected", "source": error.source, "reason": error.reason}, b""


def _make(task: Task, contents: list[bytes], target: str) -> Answer:
    text = {
        seal.RECIPE: task.recipe.text(),
        seal.SOURCES: " ".join(map(digest_of, contents)),
        "Software": f"pixd {pixd.__version__}",
    }
    with _blaming(0):
        earlier = _earlier(task.out, target, task.recipe)
    if earlier and all(earlier.get(key) == text[key] for key in (seal.RECIPE, seal.SOURCES)):
        return {"event": "same"}, b""
    pictures = []
    if task.recipe.op == "colour-labels":
        with _blaming(0):
            made = making.labels_coloured(decode.open_picture(contents[0]), task.recipe)
    else:
        for number, content in enumerate(contents):
            with _blaming(number):
                pictures.append(decode.decode(content))
        with _blaming(0):
            made = making.made(pictures, task.recipe)
    with _blaming(0):
        png = seal.sealed(encode_png(made, text))
    event: Event = {
        "event": "done",
        "files": [[target, len(png)]],
        "stale": [],
        "bytes": len(png),
        "replaces": bool(earlier) and earlier.get(seal.SOURCES) != text[seal.SOURCES],
    }
    return event, png


@contextlib.contextmanager
def _blaming(source: int) -> Iterator[None]:
    """Turn an error of a source into its refusal."""
    try:
        yield
    except (ImageRejectedError, safe_open.NotRegularError) as error:
        raise _RefusedError(source, error.message) from error
    except MemoryError:
        raise _RefusedError(source, TOO_MUCH_MEMORY) from None
    except FileNotFoundError:
        raise _RefusedError(source, "it is gone") from None
    except OSError as error:
        raise _RefusedError(source, f"cannot be read: {error.strerror}") from error


def _read(root: Path, name: str) -> bytes:
    """Read a whole file.

    Raises:
        ImageRejectedError: it is too large.
        NotRegularError: it is no file, or its path leads out of the folder.
        OSError: it cannot be read.
    """
    most = decode.DEFAULT_LIMITS.max_bytes
    with os.fdopen(safe_open.open_regular(root, name), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ImageRejectedError(
                f"{size / 2**20:.0f} MiB is over the limit of {most >> 20} MiB"
            )
        return file.read(most)


def _earlier(out: Path, target: str, recipe: Recipe) -> dict[str, str]:
    """Return the texts of a picture that the output folder has already; none where it has none.

    Raises:
        ImageRejectedError: there is something that pixd did not make, that was edited, or that is no
            picture of this kind: then this is not the folder that is meant.
    """
    try:
        found = seal.read(path_in(out, target))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except IsADirectoryError:
        found = None
    if found is None:
        raise ImageRejectedError(
            f"{path_in(out, target)} is there, and was edited or not made by `pixd prepare`:"
            " move it away"
        )
    made_by, asked = kind_of(found.get(seal.RECIPE, "")), kind_of(recipe.text())
    if made_by != asked:
        raise ImageRejectedError(
            f"{path_in(out, target)} is there, made by `pixd prepare {made_by}`: name another folder,"
            " or move it away"
        )
    return found


# -- split -----------------------------------------------------------------------------------


def set_of(digests: list[str], shares: tuple[float, float, float]) -> str:
    """Return the set to which a file or pair belongs. It follows from the content alone.

    Args:
        digests: of the file, or of both files of the pair.
        shares: the share of each of `SETS`.
    """
    # A hash of its own: training uses another one to choose what it holds out of its set.
    hexadecimal = hashlib.sha256(b"split " + digest_of_files(digests).encode()).hexdigest()
    position = int(hexadecimal[:13], 16) / 16**13
    for name, share in zip(SETS, shares, strict=True):
        if position < share:
            return name
        position -= share
    return next(name for name, share in zip(SETS, shares, strict=True) if share)  # rounding


def _split(task: Task, names: list[str], contents: list[bytes]) -> Answer:
    digests = [digest_of(content) for content in contents]
    own = set_of(digests, task.recipe.shares)
    places = [_below(name, number, len(names)) for number, name in enumerate(names)]
    stale: list[str] = []
    missing: list[int] = []
    for number, place in enumerate(places):
        for name in SETS:
            with _blaming(number):
                standing = _copy_at(task.out, f"{name}/{place}", digests[number])
            if standing and name != own:
                stale.append(f"{name}/{place}")
            elif not standing and name == own:
                missing.append(number)
    if not missing and not stale:
        return {"event": "same", "set": own}, b""
    for number, content in enumerate(contents):
        with _blaming(number):
            decode.decode(content)
    wanted = [contents[number] for number in missing]
    files = [[f"{own}/{places[number]}", len(contents[number])] for number in missing]
    count = sum(map(len, wanted))
    event = {"event": "done", "set": own, "files": files, "stale": stale, "bytes": count}
    return event, b"".join(wanted)


def _below(name: str, number: int, count: int) -> str:
    """Return the place of a file in its set; the files of a pair are in a/ and b/."""
    return f"{'ab'[number]}/{name}" if count > 1 else name


def _copy_at(out: Path, name: str, digest: str) -> bool:
    """Tell whether the output folder has the copy already.

    Raises:
        ImageRejectedError: it has a file of that name with other bytes.
    """
    path = path_in(out, name)
    try:
        is_copy = digest_of(path.read_bytes()) == digest
    except (FileNotFoundError, NotADirectoryError):
        return False
    except IsADirectoryError:
        is_copy = False
    if not is_copy:
        raise ImageRejectedError(f"{path} has other bytes: move it away, and it is copied again")
    return True


def main() -> int:
    """Answer requests until the end of input."""
    spec, events = child.begin(MakeSpec, stdin_fd=-1)
    task = Task.of(spec)
    if task.recipe.op == "edges":
        # Load OpenCV before the limits are set: no picture causes the memory that it maps.
        edges.outlines(np.full((8, 8, 3), 255, np.uint8))
    confinement.confine()
    child.answer_requests(
        events, lambda asked: _answer(task, asked), megapixels=confinement.MEGAPIXELS
    )
    return 0


def _answer(task: Task, request: dict[str, Any]) -> tuple[dict[str, Any], tuple[bytes]]:
    try:
        event, data = answer(task, request["names"], request["target"])
    except PixdError as error:
        event, data = {"event": "failed", "reason": error.message}, b""
    # OpenCV raises errors of its own. One picture that it cannot draw must not stop the others.
    except Exception as error:  # noqa: BLE001
        reason = f"nothing can be made of it: {type(error).__name__}: {error}"
        event, data = {"event": "rejected", "source": 0, "reason": reason}, b""
    return event, (data,)


if __name__ == "__main__":
    sys.exit(main())
