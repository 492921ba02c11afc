#!/bin/sh
# MNN 3.6.1 from PyPI: `mnnconvert`, which makes a model for phones of an ONNX or TFLite file, first runs
# `pip install -U aliyun-log-python-sdk`, unasked, and twice. That is the client of a cloud's log service, and brings
# a dozen packages (elasticsearch among them), or other versions of those that are there. The pip is whatever stands
# first on PATH: with MNN in a venv that is not activated it is the pip of another Python, which then has packages
# that nobody asked for; the venv still has none, so each conversion does it anew.
#
# Where the client can be imported, as in an activated venv from the first call on, the tool asks a server of its
# maker's for credentials, before each conversion. They are for a report: the content of /etc/machine-id, an identifier
# of the model, its size, and the options of the call. This wheel does not send it, only because a file is missing in it
# that the report reads (MNN/version.py; nor is it in 3.1.0, 3.2.0, 3.4.0, 3.5.0 and 3.6.0 for Linux). There is no
# question and no switch, the package's description says nothing, and the addresses are in base64 in the source.
# `mnnquant` does the same; `import MNN` alone does nothing of it. No issue is known to say it.
#
# Mend: before anything imports MNN.tools.mnnconvert, sys.modules["MNN.tools.utils.log"] = None, and then call its
# main(); it converts as before.
#
# Nothing is installed or sent here. The first pip on PATH is a stand-in that writes down how it was called; the log
# client and urlopen are stand-ins too. The last step adds the missing file, to show the report's names. It needs
# python3 (3.11 to 3.13) with venv, and a package index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check MNN==3.6.1 onnx==1.23.2 numpy==2.4.6
cd "$at"
mkdir bin client client/aliyun client/aliyun/log
cat > bin/pip <<'STANDIN'
#!/bin/sh
echo "pip $*" >> "$SEEN"
STANDIN
chmod +x bin/pip

# what the report's client looks like to MNN: it only writes down the names of what it is given
: > client/aliyun/__init__.py
cat > client/aliyun/log/__init__.py <<'STANDIN'
import os


class LogClient:
    def __init__(self, endpoint, *credentials):
        self.endpoint = endpoint

    def put_logs(self, request):
        with open(os.environ["SEEN"], "a") as seen:
            host = ".".join(self.endpoint.split("/")[2].split(".")[-2:])
            machine = os.path.exists("/etc/machine-id") and open("/etc/machine-id").read().strip().lower()
            for key, value in request.items[0].contents:
                said = " = /etc/machine-id" if key == "machine_id" and value == machine else ""
                said = f" = {value}" if key in ("tool", "detail") else said
                print(f"to {host}: {key}{said}", file=seen)


class PutLogsRequest:
    def __init__(self, project, store, topic, source, items):
        self.items = items
STANDIN
cat > client/aliyun/log/logitem.py <<'STANDIN'
class LogItem:
    def set_time(self, when):
        pass

    def set_contents(self, contents):
        self.contents = contents
STANDIN
cat > client/sitecustomize.py <<'STANDIN'
import io
import os
import urllib.request


def answer(request):
    host = ".".join(request.host.split(".")[-2:])
    with open(os.environ["SEEN"], "a") as seen:
        print(f"asked {host} for credentials", file=seen)
    return io.BytesIO(b'{"Credentials": {"AccessKeyId": "", "AccessKeySecret": "", "SecurityToken": "",'
                      b' "Expiration": "2999-01-01T00:00:00Z"}}')


urllib.request.urlopen = answer
STANDIN

"$at/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy"]
weights = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "w")
graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
about = metadata.metadata("MNN")
said = (about.get_payload() or "") + (about["Description"] or "")
print(f"MNN {metadata.version('MNN')}, requires {metadata.requires('MNN')}")
print(f"its description names the log client or telemetry: {any(word in said.lower() for word in ('aliyun', 'telemetry'))}")
PYTHON

convert() {
    seen="$at/$1"
    : > "$seen"
    SEEN="$seen" PATH="$at/bin:$PATH" timeout 100 "$at/venv/bin/mnnconvert" \
        -f ONNX --modelFile m.onnx --MNNModel m.mnn --bizCode secret-project > log 2>&1 || true
    test -s m.mnn || { echo "not converted"; cat log; exit 2; }
    rm m.mnn
    echo "$2"
    sed 's/^/    /' "$seen"
}

convert first "mnnconvert, as installed:"
export PYTHONPATH="$at/client"
convert second "mnnconvert, where the log client can be imported:"
version=$("$at/venv/bin/python" -c 'import importlib.util; print(importlib.util.find_spec("MNN").origin)')
version="${version%/*}/version.py"
test ! -e "$version" || { echo "changed: the file is there"; exit 1; }
echo '__version__ = "3.6.1"' > "$version"
convert third "mnnconvert, with the file that its report wants:"
grep -q "^pip install -U aliyun-log-python-sdk$" first || { echo "changed: no pip"; exit 1; }
grep -q "^asked aliyuncs.com" second || { echo "changed: nothing is asked for"; exit 1; }
grep -q "machine_id" third || { echo "changed: nothing would be sent"; exit 1; }
"$at/venv/bin/python" - <<'MEND'
import os
import sys

sys.modules["MNN.tools.utils.log"] = None
os.environ.update(SEEN="fourth", PATH=os.getcwd() + "/bin:" + os.environ["PATH"])
from MNN.tools import mnnconvert

sys.argv = ["mnnconvert", "-f", "ONNX", "--modelFile", "m.onnx", "--MNNModel", "m.mnn", "--bizCode", "x"]
mnnconvert.main()
MEND
test -s m.mnn && test ! -e fourth || { echo "changed: the mend"; exit 1; }
echo "as described: it installs a log client, and asks its maker for credentials"
