"""Certificates, made by the commands of docs/cluster.md."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "cluster.md"


def certificates(folder: Path, hosts: Sequence[str]) -> Path:
    """Make an authority, and one certificate for all `hosts` (``IP:10.0.0.5``); return the folder."""
    (block,) = re.findall(r"```sh\n(mkdir pixd-tls.*?)```", DOCUMENT.read_text(), re.DOTALL)
    own = re.sub(r"subjectAltName=\S+", f"subjectAltName={','.join(hosts)}", block)
    assert own != block
    own = own.replace("pixd-tls", folder.name)
    subprocess.run(["sh", "-ec", own], cwd=folder.parent, check=True, capture_output=True)
    return folder
