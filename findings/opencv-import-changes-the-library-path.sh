#!/bin/sh
# `import cv2` of opencv-python-headless 5.0.0.93 changes LD_LIBRARY_PATH in the environment of the
# process. What it puts in front is a folder of its own wheel, "cv2/../../lib64", which does not exist.
# Every program that this process starts later gets that. So a child's environment depends on whether
# a picture was worked on before; and where the variable was not set, it now ends in an empty entry,
# which the loader takes for the folder that the child works in (ld.so(8)).
#
# Mend: remember the variable before the import, and put it back.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour
# has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    opencv-python-headless==5.0.0.93 numpy==2.4.0
cd "$at"
env -u LD_LIBRARY_PATH "$at/venv/bin/python" - <<'PYTHON'
import os
import subprocess
import sys

SHOW = [sys.executable, "-c", "import os; print(os.environ.get('LD_LIBRARY_PATH'))"]


def child() -> str:
    return subprocess.run(SHOW, capture_output=True, text=True, check=True).stdout.strip()


before = child()
import cv2  # noqa: E402

after = child()
first, *more = after.split(":")
print(f"OpenCV {cv2.__version__}")
print(f"a child before the import: {before}")
print(f"a child after the import:  {after}")
print(f"the folder is there: {os.path.isdir(first)}; entries behind it: {more}")
if before != "None" or os.path.isdir(first) or more != [""]:
    sys.exit("changed")
print("as described: children get another library path")
PYTHON
