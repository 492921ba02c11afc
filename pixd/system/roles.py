"""The roles that contents have in a run: written in the store's tables and in result manifests.

What is written keeps its names, so a role is spelled here and nowhere else.
"""

from __future__ import annotations

from typing import Final

GENERATOR: Final = "generator"
"""The weights of a model."""
CARD: Final = "card"
"""What a model is and how to call it, as JSON."""
SAMPLES: Final = "samples"
"""The sheet of sample pictures of a training. It is no part of the model."""
MODEL: Final = "model"
"""The manifest that names a model's files."""
TRAINED: Final = "trained"
"""The weights that an export was made of."""
PAIRS: Final = "pairs"
"""The listing of the pairs of a training."""
VERSION: Final = "version"
"""The state of the training folder that a training worked on."""
SAVED_MODEL: Final = "saved_model"
"""A file of a SavedModel."""
README: Final = "readme"
"""The text that explains an export."""
