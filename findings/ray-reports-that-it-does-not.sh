#!/bin/sh
# Ray 2.60.0: `ray start --head --disable-usage-stats --include-dashboard=false`, and RAY_USAGE_STATS_ENABLED=0,
# do not keep a head silent. It starts a process of its own, without any other work, that asks the
# addresses at which Azure, Google and Amazon serve metadata whether it is in their cloud, and then sends
# its makers one report: that reporting is disabled here, with the time.
#
# Mend: set RAY_USAGE_STATS_REPORT_URL to an address where nothing answers, such as http://127.0.0.1:9/.
# The questions for metadata stay.
#
# Here that address is a small server of this script, which prints the names that it is sent. It needs
# python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d /tmp/rXXXXXX)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check ray==2.60.0
cd "$at"
PATH=$at/venv/bin:$PATH "$at/venv/bin/python" - <<'PYTHON'
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from importlib.metadata import version

print(f"Ray {version('ray')}")
reports = []
came = threading.Event()


class Reports(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        reports.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        came.set()

    def log_message(self, *_: object) -> None:
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Reports)
threading.Thread(target=server.serve_forever, daemon=True).start()
variables = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": f"http://127.0.0.1:{server.server_port}/",
}
command = ["ray", "start", "--head", "--block", "--disable-usage-stats", "--include-dashboard=false"]
command += ["--node-ip-address=127.0.0.1", "--port=6397", "--num-cpus=1", f"--temp-dir={os.getcwd()}/ray"]
with open("log", "w") as log:
    head = subprocess.Popen(
        command, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
    )
came.wait(60)
head.send_signal(signal.SIGTERM)
try:
    head.wait(30)
except subprocess.TimeoutExpired:
    os.killpg(head.pid, signal.SIGKILL)
print(f"usage statistics disabled, reports sent: {len(reports)}")
for report in reports:
    print("it names:", ", ".join(name for name, value in report.items() if value is not None))
sys.exit(None if reports else "changed: nothing is sent")
PYTHON
