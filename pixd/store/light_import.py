"""Imports sqlite-utils without what it would import beside it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database


def sqlite_utils_database() -> type[Database]:
    """Import sqlite-utils, which only the writer needs, without NumPy and pandas.

    Sqlite-utils would import these where they are installed, to store their types. That costs 60 ms
    and 11 MB, and the service has no arrays.
    """
    absent = [name for name in ("numpy", "pandas") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: not importable
    try:
        from sqlite_utils import Database  # noqa: PLC0415
    finally:
        for name in absent:
            del sys.modules[name]
    return Database
