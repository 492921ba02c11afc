"""Where children run: on this machine, or on the cluster that config.yaml names.

Nothing of the cluster is imported with `engine: local`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixd.system.children.spawner import LocalSpawner

if TYPE_CHECKING:
    from pixd.config import Settings
    from pixd.system.children.spawner import Spawner


def spawner_of(settings: Settings) -> Spawner:
    """Return what starts the children of a service with these settings."""
    if settings.engine == "local":
        return LocalSpawner()
    from pixd.cluster.spawner import ClusterSpawner  # noqa: PLC0415 - see above

    return ClusterSpawner(settings.ray)
