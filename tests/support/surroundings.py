"""``python -m tests.support.surroundings WORDS`` tells, as JSON, what a process is given."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    mask = os.umask(0)
    told = {
        "arguments": sys.argv,
        "cmdline": Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").decode().split("\0"),
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "parent": os.getppid(),
        "leads_session": os.getsid(0) == os.getpid(),
        "leads_group": os.getpgrp() == os.getpid(),
        "mask": mask,
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "descriptors": sorted(int(fd.name) for fd in Path("/proc/self/fd").iterdir())[:3],
        "handlers": {
            str(number): str(signal.getsignal(number))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)
        },
        "streams": [(s.encoding, s.errors) for s in (sys.stdin, sys.stdout, sys.stderr)],
        "thread_id": threading.get_native_id() == os.getpid(),
        "is_copy": "tensorflow" in sys.modules,
        "input": sys.stdin.read(),
    }
    print(json.dumps(told))  # noqa: T201 - it is asked to tell
    sys.exit(7)
