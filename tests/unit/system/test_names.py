"""Names as text, and the way back to a path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixd.system.names import name_from_bytes, path_in


@pytest.mark.parametrize(
    "raw", [b"plain.png", b"a/b c.png", b"caf\xc3\xa9.png", b"\xff\n.png", b"back\\slash"]
)
def test_a_path_made_of_a_name_leads_to_the_file_that_the_name_was_read_from(
    raw: bytes, tmp_path: Path
) -> None:
    file = tmp_path / os.fsdecode(raw)
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(raw)
    assert path_in(tmp_path, name_from_bytes(raw)).read_bytes() == raw
