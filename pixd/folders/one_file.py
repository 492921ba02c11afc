"""An error of one file never ends a step of the others: whose error it is, and rows apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pixd.system import disk, safe_open
from pixd.system.errors import PixdError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = TypeVar("Row")


def is_of_one_file(error: Exception) -> bool:
    """Tell whether an error is a file's own: neither the store's disk nor the folder is to blame."""
    return not (disk.refusal(error) or disk.damage(error) or isinstance(error, PixdError))


def write_each(
    write: Callable[[Mapping[str, Row]], None], rows: Mapping[str, Row]
) -> dict[str, str]:
    """Write the rows of files at once; if one of them is at fault, each for itself.

    Args:
        write: writes some of them, in one transaction.
        rows: by name text.

    Returns:
        Why some could not be written, by name.

    Raises:
        OSError, sqlite3.Error: the store's disk refuses.
    """
    failed: dict[str, str] = {}
    if not rows:
        return failed
    try:
        write(rows)
    except Exception as error:
        if not is_of_one_file(error):
            raise
        if len(rows) == 1:
            return {next(iter(rows)): safe_open.surprise(error)}
        for name, row in rows.items():
            failed |= write_each(write, {name: row})
    return failed
