"""The roles that contents have in a run, as the store's tables and result manifests have them.

What is on the disk keeps its names. So each role is spelled only here.
"""

from __future__ import annotations

from typing import Final

GENERATOR: Final = "generator"
"""The weights of a model."""
CARD: Final = "card"
"""The model card: what a model is and how to call it, as JSON."""
SAMPLES: Final = "samples"
"""The sheet of sample pictures of a training. It is not a part of the model."""
MODEL: Final = "model"
"""The manifest that names a model's files."""
TRAINED: Final = "trained"
"""The weights from which an export was made."""
PAIRS: Final = "pairs"
"""The list of the pairs of a training."""
VERSION: Final = "version"
"""The state of the training folder that a training worked on."""
SAVED_MODEL: Final = "saved_model"
"""A file of a SavedModel."""
README: Final = "readme"
"""The text that explains an export."""
EXPORTED: Final = "exported"
"""A file of an export in another format."""
