"""The import of TensorFlow without Python's cyclic collector, which takes a fifth of its time."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def importing_tensorflow(phase: Callable[[str], object]) -> Iterator[None]:
    """Tell that TensorFlow is imported, and switch the collector off while the block imports it.

    TensorFlow and Keras make some 300,000 objects that stay. The collector would look at all of them
    again and again meanwhile, and at each full collection later. So it does not look while
    they are made, and never at what is there at the end of the block (`gc.freeze`).

    Args:
        phase: is told what is done.
    """
    phase("importing TensorFlow")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
