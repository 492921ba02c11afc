#!/bin/sh
# watchdog 7.1.0 on Linux goes on watching a folder that was moved out of the watched tree, and takes it to
# be where it was. 6.0.0 does the same. Inotify watches a folder and not a name, and only who asked for a
# watch can end it. So a service whose batches are moved away when they are done (`mv in/batch done/`)
# collects one watch for each folder that ever passed, until fs.inotify.max_user_watches is used up, for all
# programs of this user. What changes in such a folder later is reported under its old path, where nothing
# is, or another file by now.
#
# What happens later to a folder of that old name can end the thread that reads the kernel's events, by an
# error of its own (a KeyError; known from a race as watchdog issue 600, closed in 2020). Then no handler is
# called any more, while `observer.is_alive()` stays true. That is not shown here.
#
# Mend: begin a new observer now and then where folders are moved out, and ask whether its thread lives.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour
# has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check watchdog==7.1.0
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

at = Path.cwd()
(watched := at / "in").mkdir()
(done := at / "done").mkdir()
created = []


class Handler(FileSystemEventHandler):
    def on_created(self, event: FileSystemEvent) -> None:
        created.append(os.path.relpath(event.src_path, at))


def watches() -> int:
    """Count those that the kernel holds for this process."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if "inotify" in os.readlink(entry):
                count += Path("/proc/self/fdinfo", entry.name).read_text().count("inotify wd")
        except OSError:
            pass  # the descriptor of the list itself
    return count


def wait() -> None:
    time.sleep(1)


observer = Observer()
observer.schedule(Handler(), str(watched), recursive=True)
observer.start()
print(f"watchdog {version('watchdog')}")
for number in range(50):
    (watched / f"batch-{number}").mkdir()
    time.sleep(0.02)
    (watched / f"batch-{number}").rename(done / f"batch-{number}")
wait()
kept = watches()
print(f"50 folders came and were moved out: {kept} watches, of 1 folder that is left")
created.clear()
(done / "batch-7" / "later.png").touch()
wait()
phantom = list(created)
print(f"a file in done/batch-7 is reported as {phantom}")
if (kept, phantom) != (51, ["in/batch-7/later.png"]):
    sys.exit("changed")
print("as described: folders that left are watched, under the names that they had")
PYTHON
