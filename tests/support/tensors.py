"""Arrays to train on, and those of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf


def tensors_in(folder: Path, step: int = 40) -> dict[str, bytes]:
    checkpoint = folder / "checkpoints" / f"step-{step:08d}"
    reader = tf.train.load_checkpoint(str(checkpoint / "variables"))
    return {
        name: np.asarray(reader.get_tensor(name)).tobytes()
        for name in reader.get_variable_to_shape_map()
        if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
    }


def images(seed: int, batch: int = 1) -> Any:
    random = np.random.default_rng(seed)
    coarse = random.uniform(-1, 1, (batch, 8, 8, 3)).astype(np.float32)
    return tf.constant(coarse.repeat(4, axis=1).repeat(4, axis=2))
