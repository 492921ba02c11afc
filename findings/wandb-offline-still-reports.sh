#!/bin/sh
# wandb 0.31.0: a run with `wandb.init(mode="offline")` reports to its maker's server all the same. Each minute, and as
# the process ends, a POST to /sdk/otel/v1/metrics at api.forge.coreweave.com asks whether reports are taken there, and
# then they go out: how often `run.log` was called and how long it took, the versions of Python and wandb, an identifier
# of the process. The reference says that this mode suits machines without a network, and that data is saved locally.
# Nothing is said at the run.
#
# With WANDB_MODE=offline in the environment nothing is sent, so whoever tests with the variable sees nothing. The source
# means to be silent offline, but what reports asks the settings of the process, which know the variable, and not those
# of the run, which know what `init` was given; so it is with settings=wandb.Settings(mode="offline") too. 0.30.0 sends
# nothing in any of these. A pull request of 2024 (8312, open when it was looked up) wanted the like for an older
# reporter; no issue is known about this one.
#
# Mend: WANDB_MODE=offline in the environment before the start, or WANDB_ERROR_REPORTING=false.
#
# Here the server is a small one of this script, which prints what it is sent; nothing leaves the machine. It needs
# python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check wandb==0.31.0
cd "$at"
cat > run.py <<'PYTHON'
import sys

import wandb

if sys.argv[1] == "argument":
    run = wandb.init(project="p", mode="offline")
elif sys.argv[1] == "settings":
    run = wandb.init(project="p", settings=wandb.Settings(mode="offline"))
else:
    run = wandb.init(project="p")
run.log({"loss": 1.0})
run.finish()
PYTHON
"$at/venv/bin/python" - <<'PYTHON'
import gzip
import http.server
import importlib.metadata as metadata
import os
import re
import subprocess
import sys
import threading

SEEN: list[tuple[str, bytes]] = []


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        SEEN.append((self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
clean = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
clean |= {"HOME": os.getcwd(), "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "no_proxy": "127.0.0.1"}
clean |= {"NO_PROXY": "127.0.0.1", "WANDB_SILENT": "true"}
print(f"wandb {metadata.version('wandb')}")
counts = {}
for name, how, extra in (
    ('init(mode="offline")', "argument", {}),
    ('init(settings=Settings(mode="offline"))', "settings", {}),
    ("WANDB_MODE=offline", "variable", {"WANDB_MODE": "offline"}),
    ('init(mode="offline"), WANDB_ERROR_REPORTING=false', "argument", {"WANDB_ERROR_REPORTING": "false"}),
):
    SEEN.clear()
    subprocess.run([sys.executable, "run.py", how], env=clean | extra, check=True, timeout=200, stdout=subprocess.DEVNULL)
    counts[name] = sum(bool(body) for _, body in SEEN)
    print(f"{name}: {len(SEEN)} requests, {counts[name]} with a report")
    for path, body in SEEN:
        words = [word.decode() for word in re.findall(rb"[a-zA-Z0-9_.]{5,}", body)]
        print(f"    POST {path}: {' '.join(words) if words else 'empty'}")
if list(map(bool, counts.values())) != [True, True, False, False]:
    sys.exit("changed")
print("as described: offline, and reported")
PYTHON
