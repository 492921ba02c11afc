"""A reader of the store that knows docs/lineage-format.md and two programs, and no code of pixd."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "lineage-format.md"
BLOCKS = re.findall(r"```(sql|sh)\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


class ByHand:
    """A reader with two programs and the document."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.used: set[str] = set()

    def block(self, start: str, kind: str = "sql") -> str:
        found = [text for k, text in BLOCKS if k == kind and text.startswith(start)]
        assert len(found) == 1, f"the document has {len(found)} blocks that start {start!r}"
        self.used.add(found[0])
        return str(found[0])

    def ask(self, start: str, **values: object) -> list[dict[str, Any]]:
        sql = self.block(start)
        for name, value in values.items():
            assert f"${name}" in sql
            sql = sql.replace(f"${name}", str(value))
        assert "$" not in sql
        done = subprocess.run(
            ["sqlite3", "-json", "-readonly", "lineage.db", sql],
            cwd=self.store, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout) if done.stdout else []

    def sha256sum(self, path: Path) -> str:
        done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        return "sha256:" + done.stdout.split()[0]

    def bytes_of(self, digest: str) -> bytes:
        path = self.store / "objects" / digest[7:9] / digest[9:]
        assert self.sha256sum(path) == digest
        return path.read_bytes()

    def manifest(self, digest: str) -> dict[str, str]:
        head, *lines = self.bytes_of(digest).decode().splitlines()
        assert head == "pixd manifest 1"
        return {line.split(" ", 2)[2]: "sha256:" + line.split(" ")[0] for line in lines}
