#!/bin/sh
# sqlite-utils 4.2.1: `executescript` within a transaction (`with db.atomic()`, and so in every migration
# of its own) puts a statement together character by character, and after each asks SQLite whether it is
# complete. So its time grows with the square of a statement's length: an INSERT of 32,000 characters
# takes some seconds, where SQLite takes a millisecond. Outside of a transaction it hands the script to
# SQLite, and is quick.
#
# Mend: divide the script yourself, and call `execute` for each statement.
#
# It needs python3 (3.10 or newer) with venv, and a package index. It exits non-zero if the behaviour has
# changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check sqlite-utils==4.2.1
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys
import time
from importlib.metadata import version

import sqlite_utils

print(f"sqlite-utils {version('sqlite-utils')}")


def seconds(length: int, *, is_in_transaction: bool) -> float:
    script = f"CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('{'x' * length}');"
    db = sqlite_utils.Database(memory=True)
    began = time.perf_counter()
    if is_in_transaction:
        with db.atomic():
            db.executescript(script)
    else:
        db.executescript(script)
    took = time.perf_counter() - began
    assert db.execute("SELECT length(text) FROM note").fetchone() == (length,)
    return took


took = {}
for length in (8_000, 16_000, 32_000):
    plain, took[length] = (seconds(length, is_in_transaction=inside) for inside in (False, True))
    print(f"a statement of {length:,} characters: {plain * 1000:.1f} ms, in a transaction {took[length]:.2f} s")
growth = took[32_000] / took[16_000]
print(f"twice the length takes {growth:.1f} times as long")
if growth < 3 or took[32_000] < 20 * plain:
    sys.exit("changed: the time does not grow with the square any more")
PYTHON
