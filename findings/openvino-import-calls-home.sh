#!/bin/sh
# OpenVINO 2026.4.1 from PyPI: `import openvino` alone, without a model, makes an identifier of this user
# (~/intel/openvino_ga_cid) and sends an event to Google Analytics. The package openvino-telemetry, which
# OpenVINO requires, does it: the import of openvino.tools.ovc, behind `openvino.convert_model`, sends
# "general_import". There is no question and no notice, although the package has a dialog for consent:
# OpenVINO calls it with the dialog off, where no answer counts as yes. With the variables of some build
# servers (CI=true and such) nothing is seen, so tests that run there miss it.
#
# Mend: `opt_in_out --opt_out` for a user; or, before the import, sys.modules["openvino_telemetry"] = None:
# OpenVINO then uses a stub of its own.
#
# It needs python3 (3.11 to 3.13) with venv, and a package index; with strace it prints the name that is
# looked for too. The identifier is made in a temporary home and is not printed. It exits non-zero if the
# behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    openvino==2026.4.1 openvino-telemetry==2025.2.0 numpy==2.4.0
cd "$at"
cat >imports.py <<'PYTHON'
import sys
from pathlib import Path

if "without" in sys.argv:
    sys.modules["openvino_telemetry"] = None
import openvino  # noqa: F401

home = Path.home()
print(sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()))
PYTHON
run() { # name of the home folder, then a command: in an environment with nothing else
    mkdir "$1" && home=$1 && shift
    env -i HOME="$at/$home" PATH="$PATH" "$@"
}
python=$at/venv/bin/python
echo "OpenVINO 2026.4.1"
if command -v strace >/dev/null; then
    plain=$(run plain strace -f -qq -s 80 -o "$at/calls" -e trace=sendto,sendmsg,sendmmsg "$python" imports.py)
    grep -o 'google-analytic[a-z]*' "$at/calls" | sort -u | sed 's/^/looked for a host of: /'
else
    plain=$(run plain "$python" imports.py)
fi
without=$(run without "$python" imports.py without)
echo "files in the home folder after the import: $plain"
echo "without openvino_telemetry:                $without"
case $plain in
*openvino_ga_cid*) ;;
*) echo "changed: the import makes no identifier"; exit 1 ;;
esac
[ "$without" = "[]" ] || { echo "changed: it is made without the package too"; exit 1; }
