"""The training worker: ``python -m pixd.pix2pix.train SPEC.json``.

Promises a ``result.json`` in the scratch folder however the run ends, except after a kill. It says
succeeded, interrupted (by SIGTERM or SIGINT, after a checkpoint, exit code 0), or failed with a
kind, a message and advice. After a kill, the same spec and checkpoint folder go on from the last
checkpoint.
"""

from __future__ import annotations

import logging
import sys
import time

from pixd.pix2pix.importing import importing_tensorflow
from pixd.system.children import child, task
from pixd.system.children.spec import TrainSpec

_log = logging.getLogger(__name__)


def main() -> int:
    """Run the spec named on the command line; return the exit code."""
    # The end of stdin does not stop the run. SIGTERM does, because it leaves a checkpoint.
    spec, events = child.begin(TrainSpec, leave_at_eof=False)
    timings = {"validate_s": 0.0}
    try:
        stop = child.StopFlag()
        started = time.monotonic()
        with importing_tensorflow(events.phase):
            from pixd.pix2pix.learning import training_loop

        timings["import_s"] = time.monotonic() - started
        outcome = training_loop.train_and_evaluate(spec, events, stop, timings)
        stop.leaves_at_once = False
    except child.Interrupted:  # before the first step, so there is nothing to keep
        task.write_result(spec, state="interrupted", timings=timings)
        return 0
    except Exception as error:  # noqa: BLE001 - a child's last resort: the result says it
        _log.exception("training failed")
        task.write_result(spec, state="failed", error=task.describe_error(error), timings=timings)
        return 1
    task.write_result(spec, **outcome, timings=timings)
    return 1 if outcome["state"] == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
