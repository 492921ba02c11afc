"""The checks of `pixd doctor`, in the order in which they are made."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pixd.answers.doctor import (
    abilities,
    cluster,
    folders,
    machine,
    model,
    page,
    service,
    store,
    units,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pixd.answers.doctor.check import Check
    from pixd.config import Settings

Step = tuple[str, "Callable[[], Iterable[Check]]"]


def examination(
    settings: Settings, *, with_model: bool, show: Callable[[str], None]
) -> Iterator[Step]:
    """Yield the name of each check and its function, quick ones first.

    Args:
        settings: the checked configuration.
        with_model: whether to start TensorFlow, and the live models in it; takes seconds.
        show: called with the thing that a long check waits for.
    """
    examined = store.Examined(settings.store)
    try:
        yield "the user", lambda: [machine.user(settings)]
        yield "the folders", partial(folders.checks, settings, examined)
        yield "inotify", lambda: [machine.inotify(settings)]
        yield "an event's round trip", lambda: [machine.events(settings.store)]
        yield "the store's disk", partial(store.disk_checks, settings)
        yield "what it can do", partial(abilities.checks, settings.store)
        yield "the database", partial(store.database_checks, examined)
        yield "what an upgrade changes", partial(upgrade.checks, settings, examined)
        yield "leftovers", lambda: [store.leftovers(settings, examined)]
        yield "the metrics", partial(machine.metrics_file, settings.metrics)
        yield "the service", partial(service.checks, settings)
        yield "the page", partial(page.checks, settings)
        yield "the cluster", partial(cluster.checks, settings)
        yield "systemd", partial(units.checks, wants_page=settings.web.start)
        yield "open files", lambda: [machine.open_files(settings.store)]
        yield "the clock", lambda: [machine.clock(examined.newest_event_at())]
        yield "Pillow", lambda: [machine.image_formats()]
        yield "OpenCV", partial(machine.outlines, settings)
        yield "the GPU", lambda: [machine.gpu(settings.device)]
        if with_model:
            yield "the machines of the cluster", partial(cluster.joined, settings)
            yield "the model", partial(model.checks, settings, examined, show)
    finally:
        examined.close()
