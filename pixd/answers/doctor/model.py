"""The device that TensorFlow finds, and a test image through each live model: in children."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixd.answers.doctor.check import Check, fail, ok, warn
from pixd.images import png_text
from pixd.store.queries import history
from pixd.system.children.worker import child_environment
from pixd.system.errors import PixdError
from pixd.system.machine import has_gpu
from pixd.translation import translator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pixd.answers.doctor.store import Examined
    from pixd.config import PipelineSettings, Settings
    from pixd.system.children.warm_worker import Answer

WITHIN_S = 120.0
"""For TensorFlow to start, the model to load and one image to be made."""
_FIND_DEVICE = """\
import json, sys
from pixd.system.errors import PixdError
from pixd.pix2pix.network.hardware import choose_device
try:
    device = choose_device(sys.argv[1])
except PixdError as error:
    print(json.dumps({"error": [error.message, error.advice]}))
else:
    print(json.dumps({"device": device.kind, "device_name": device.name}))
"""


def checks(settings: Settings, examined: Examined, show: Callable[[str], None]) -> Iterator[Check]:
    """Try the live model of each pipeline; where there is none, only look for the device."""
    environment: Mapping[str, Any] | None = None
    for pipeline in settings.pipelines:
        name = f"{pipeline.name} model"
        nothing: dict[str, Any] | None = None
        live = examined.ask(lambda r, p=pipeline.name: history.model(r, p, None), nothing)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        if live is None:
            yield ok(name, "none is live yet; it comes from pairs in the training folder")
            continue
        check, found = _try(name, settings, pipeline, live, show)
        environment = found or environment
        yield check
    if environment is None:
        show("TensorFlow looks for the device")
        yield _device(settings.device, _find_device(settings.device))
    else:
        yield _device(settings.device, environment)


def _try(
    name: str,
    settings: Settings,
    pipeline: PipelineSettings,
    live: Mapping[str, Any],
    show: Callable[[str], None],
) -> tuple[Check, Mapping[str, Any] | None]:
    """Translate a test image; return also what the child reported about its device, if anything."""
    with tempfile.TemporaryDirectory(prefix="pixd-doctor-") as temporary:
        folder = Path(temporary)
        try:
            worker, prepared = translator.start_apart(settings, pipeline, live, folder)
        except PixdError as error:
            return fail(name, error.message, f"pixd rollback -p {pipeline.name}; pixd verify"), None
        image, made = folder / "test.png", folder / "work" / "made.png"
        image.write_bytes(test_image(prepared.card.image_size))
        worker.submit(None, {"image": str(image), "out": str(made), "text": {}})
        began = time.monotonic()
        ready_s = 0.0
        answers: list[Answer] = []
        try:
            while not answers and time.monotonic() - began < WITHIN_S:
                worker.step(time.monotonic())
                if worker.ready is not None and not ready_s:
                    ready_s = time.monotonic() - began
                answers = worker.collect()
                if worker.trouble:
                    break
                show(f"{live['name']} of {pipeline.name}: {worker.phase or 'starting'}")
                time.sleep(0.01)
            environment = (worker.ready or {}).get("environment")
        finally:
            worker.stop()
        look = f"pixd rollback -p {pipeline.name} goes back to another; pixd verify"
        if not answers:
            why = worker.trouble or f"no answer within {WITHIN_S:.0f} s"
            return fail(name, f"{live['name']}: {why}", look), environment
        event = answers[0].event
        if event["event"] != "done":
            return fail(name, f"{live['name']}: {event.get('reason')}", look), environment
        if not made.read_bytes().startswith(png_text.SIGNATURE):
            return fail(name, f"{live['name']} made what is no PNG", look), environment
        took_ms = sum(event["ms"].values())
        told = (
            f"{live['name']} translated a test image in {took_ms:.0f} ms, ready in {ready_s:.1f} s"
        )
        return ok(name, told), environment


def _find_device(wanted: str) -> Mapping[str, Any]:
    """Ask TensorFlow for the device, in a child."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _FIND_DEVICE, wanted],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"error": [f"TensorFlow did not start within {WITHIN_S:.0f} s", "try again"]}
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        mend = f"{sys.executable} -c 'import tensorflow'"
        return {"error": [f"TensorFlow does not start: {last}", mend]}
    return found


def _device(wanted: str, found: Mapping[str, Any]) -> Check:
    if "error" in found:
        told, mend = found["error"]
        return fail("device", told, mend)
    told = f"{found.get('device')}: {found.get('device_name')}"
    if found.get("device") == "cpu" and wanted != "cpu" and has_gpu():
        told = "TensorFlow sees no GPU, though /dev/nvidia0 is there"
        return warn("device", told, "pip install 'pixd[gpu]'; nvidia-smi must work")
    return ok("device", told)


def test_image(pixels: int) -> bytes:
    """Return a PNG with a ramp from black to white in each row, `pixels` square."""
    row = b"\0" + bytes(v for x in range(pixels) for v in [255 * x // (pixels - 1)] * 3)
    header = struct.pack(">IIBBBBB", pixels, pixels, 8, 2, 0, 0, 0)  # 8 bits, RGB
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(row * pixels)),
        (b"IEND", b""),
    )
    return png_text.SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
