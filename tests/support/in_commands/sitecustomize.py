"""Imported by Python when a command starts that tests gave a fork server (`support/forking`)."""

import os
import sys
from pathlib import Path

_fd = os.environ.pop("PIXD_TESTS_FORK_SERVER", "")
_here, _root = (str(Path(__file__).parents[at]) for at in (0, 3))
# As it was before `forking` put this folder in front.
sys.path.remove(_here)
os.environ["PYTHONPATH"] = os.environ["PYTHONPATH"].partition(os.pathsep)[2]
if not os.environ["PYTHONPATH"]:
    del os.environ["PYTHONPATH"]
if _fd:
    import socket

    sys.path.insert(0, _root)
    from tests.support import forking

    sys.path.remove(_root)
    forking.install_own(socket.socket(fileno=int(_fd)))
