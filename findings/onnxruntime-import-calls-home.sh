#!/bin/sh
# ONNX Runtime 1.32.0 for Linux, from PyPI: `import onnxruntime` alone, without a model, makes an
# identifier of this user and a queue of events on the disk, starts a thread, and looks for a server of
# its maker's. Releases up to 1.28 do none of it. Its own function `disable_telemetry_events` cannot
# prevent this, as it can be called only after the import. On a machine with the variables of a build
# server (GITHUB_ACTIONS, GITLAB_CI and such) nothing of it is seen, so tests that run there miss it.
#
# Mend: have ORT_DISABLE_TELEMETRY=1 in the environment before the import. Then nothing is made.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index; with strace it prints the name that is
# looked for too. The identifier is made in a temporary home and is not printed. It exits non-zero if the
# behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 numpy==2.4.0
cd "$at"
cat >imports.py <<'PYTHON'
import os
import sys
import time
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own threads would be counted too
import numpy  # noqa: F401

before = len(os.listdir("/proc/self/task"))
import onnxruntime

if "after" in sys.argv:
    onnxruntime.disable_telemetry_events()
more = len(os.listdir("/proc/self/task")) - before
time.sleep(12)  # it looks for its server after some seconds
home = Path.home()
files = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
print(f"threads started: {more}; files in the home folder: {files}")
PYTHON
run() { # name of the home folder, then a command: in an environment with nothing else
    mkdir "$1" && home=$1 && shift
    env -i HOME="$at/$home" PATH="$PATH" "$@"
}
python=$at/venv/bin/python
echo "ONNX Runtime 1.32.0"
if command -v strace >/dev/null; then
    plain=$(run plain strace -f -qq -s 80 -o "$at/calls" -e trace=sendto,sendmsg,sendmmsg,connect "$python" imports.py)
    # A name in a question to the name server: each part follows a byte with its length.
    sed -n 's/.*\\0\\[0-9]*\([a-z]*\\[0-9]events[^"]*\)".*/\1/p' "$at/calls" |
        sed 's/\\0.*//; s/\\[0-9t]*/./g; s/^/looked for: /' | sort -u
else
    plain=$(run plain "$python" imports.py)
fi
after=$(run after "$python" imports.py after)
asked=$(run asked env ORT_DISABLE_TELEMETRY=1 "$python" imports.py)
echo "import alone:                      $plain"
echo "disable_telemetry_events() after:  $after"
echo "ORT_DISABLE_TELEMETRY=1 before:    $asked"
for one in "$plain" "$after"; do
    case $one in
    "threads started: 0;"* | *"[]") echo "changed: the import makes nothing"; exit 1 ;;
    *deviceid*) ;;
    *) echo "changed: no identifier is made"; exit 1 ;;
    esac
done
case $asked in
"threads started: 0; files in the home folder: []") ;;
*) echo "changed: the variable does not prevent it"; exit 1 ;;
esac
