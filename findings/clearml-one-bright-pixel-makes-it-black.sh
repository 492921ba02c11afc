#!/bin/sh
# ClearML 2.1.12 shows a picture as black if one of its values lies a little above 1. `Logger.report_image` takes a float
# array, and has to guess whether white is 1 or 255: up to a largest value of 1 it multiplies by 255, and above it takes
# the values as they are. So one sample of 1.001 in a picture of [0, 1], as bicubic and Lanczos leave at every edge, or
# a sum of colours that rounds up, makes each of its pixels 0 or 1 of 255. It depends on the picture: in one series
# of one training, some steps are right and others black. Neither case clips: what is below 0, as a tanh gives it, comes
# back as white (-0.01 is 254), and 256 as 0. Nothing is said; and what is shown is a JPEG that nobody asked for.
#
# The reference says of `image` only "Image data (RGB)". No issue of ClearML is known to say it; visdom had the like
# (its issue 602), and now warns and clips.
#
# Mend: hand over bytes, `(np.clip(x, 0, 1) * 255).round().astype(np.uint8)`.
#
# It runs offline, without a server. (Even so `Task.init` asks updates.clear.ml for newer releases, and says which
# versions it has; here a proxy that is not there keeps it in.) It needs python3 (3.11 to 3.13) with venv, and a package
# index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    clearml==2.1.12 numpy==2.4.6 pillow==12.3.0
cd "$at"
export HOME="$at" CLEARML_LOG_LEVEL=ERROR HTTPS_PROXY=http://127.0.0.1:9
"$at/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata
import pathlib
import sys

import numpy as np
from clearml import Task
from PIL import Image

print(f"clearml {metadata.version('clearml')}")
ramp = np.linspace(0, 0.9, 96, dtype=np.float32)
picture = np.stack([*np.meshgrid(ramp, ramp), np.full((96, 96), 0.5, np.float32)], axis=-1)
sharp = picture.copy()
sharp[32:64, 32:64] = 1  # a white square

# the same picture at twice its size, which overshoots at the square's edge
wide = np.stack([np.asarray(Image.fromarray(sharp[..., c]).resize((192, 192), Image.Resampling.BICUBIC))
                 for c in range(3)], axis=-1)
one = picture.copy()
one[0, 0] = 1.001
shown = {"as drawn": sharp, "one pixel of 1.001": one, "enlarged": wide, "enlarged, clipped": np.clip(wide, 0, 1),
         "below 0": np.full((96, 96, 3), -0.01, np.float32)}

Task.set_offline(True)
task = Task.init("p", "n", auto_connect_frameworks=False, auto_connect_arg_parser=False,
                 auto_resource_monitoring=False, reuse_last_task_id=False)
for step, image in enumerate(shown.values()):
    task.get_logger().report_image("generator", "output", iteration=step, image=image)
task.flush(wait_for_uploads=True)
folder = pathlib.Path(task.get_offline_mode_folder())
task.close()

means = {}
for step, (name, image) in enumerate(shown.items()):
    found = sorted(folder.rglob(f"*_{step:08d}.*"))
    stored = np.asarray(Image.open(found[0]))
    means[name] = float(stored.mean())
    print(f"{name}: from {image.min():.3f} to {image.max():.3f}, mean {image.mean():.3f};"
          f" shown ({found[0].suffix[1:]}) from {stored.min()} to {stored.max()}, mean {stored.mean():.1f}")
if means["as drawn"] < 100 or means["enlarged, clipped"] < 100:
    sys.exit("changed: the ones that were right")
if means["one pixel of 1.001"] > 2 or means["enlarged"] > 2 or means["below 0"] < 250:
    sys.exit("changed")
print("as described: one value above 1, and all is black")
PYTHON
