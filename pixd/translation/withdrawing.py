"""Takes a published output away, has it made again, or puts a new one beside one that was edited."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pixd.store.states import FileState, OutputState
from pixd.system.errors import PixdError, in_words
from pixd.system.names import path_in
from pixd.translation import output_files, removing
from pixd.translation.output_place import OutputPlace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pixd.config import PipelineSettings
    from pixd.store.store import Store


def withdraw(store: Store, pipeline: PipelineSettings, repo_id: int, path: str) -> bool:
    """Record that a published output is withdrawn; its bytes stay in the store.

    Join the caller's transaction, and have `pixd.translation.removing` remove its file after it. A
    file that was edited by hand is left, as `edited`. One that cannot be looked at now is looked at
    when it is removed.

    Returns:
        Whether it is withdrawn.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None:
        return False
    if _is_edited(path_in(pipeline.output, path), standing.digest):
        store.outputs.set_state(standing.id, OutputState.EDITED)
        return False
    store.outputs.set_state(standing.id, OutputState.WITHDRAWN)
    store.removals.add(standing)
    if standing.state is OutputState.ORPHANED:  # its input asks for no output of this name
        return True
    store.working.set_state(
        repo_id, [standing.input_path], FileState.QUEUED, if_in=(FileState.TRANSLATED,)
    )
    return True


def _is_edited(target: Path, digest: str) -> bool:
    with contextlib.suppress(OSError):
        return output_files.look(target, digest, None) in output_files.NOT_PUBLISHED_LAST
    return False


def withdraw_orphans(store: Store, pipeline: PipelineSettings, repo_id: int) -> None:
    """Withdraw the outputs that nothing asks for any more, as `keep.orphans: false` says.

    Their inputs are gone, or have outputs of other names since `samples` changed. A file that was
    edited by hand is left. Nothing is lost: the bytes stay in the store, and an input that comes
    back gets its output again without a translation.
    """
    paths = store.outputs.orphaned(pipeline.name, repo_id, pipeline.samples)
    if not paths:
        return
    with store.transaction():
        gone = sum(withdraw(store, pipeline, repo_id, path) for path in paths)
        if gone:
            told = f"{gone} outputs are removed, because no input asks for them"
            store.note(pipeline.name, "info", "orphans", told)
    removing.remove(store, pipeline.name, pipeline.output)


def requeue_if_gone(store: Store, pipeline: PipelineSettings, path: str) -> str:
    """Have an output made again if its file is gone, without waiting for the next look at the folder.

    Returns:
        The name text of its input; "" where the file is there, or nothing asks for it.

    Raises:
        PixdError: the output folder is not there.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None or standing.state is OutputState.ORPHANED:
        return ""
    with _folder_of(store, pipeline, path) as folder:
        is_there = not output_files.missing_of(folder, [path])
    if is_there:
        return ""
    return store.outputs.lose(pipeline.name, store.history.repo_id(pipeline.name, "input"), path)


def publish_beside(store: Store, pipeline: PipelineSettings, path: str) -> str:
    """Put the live model's translation beside an output that was edited by hand.

    Args:
        store: the open store.
        pipeline: whose output it is.
        path: name text of the edited output, relative to the output folder.

    Returns:
        The name text of the new file, ``x.new.png`` for ``x.png``.

    Raises:
        PixdError: it was not edited, there is no newer translation, or it cannot be written.
    """
    standing = store.outputs.standing(pipeline.name, path)
    if standing is None or standing.state is not OutputState.EDITED:
        raise PixdError(f"{path} is no output that was edited by hand", advice="pixd why " + path)
    live = store.models.live(pipeline.name)
    made = store.runs.translation_of(
        pipeline.name,
        standing.input_digest,
        live.digest if live else standing.model_digest,
        standing.recipe,
    )
    if made is None:
        raise PixdError(
            f"there is no translation of {standing.input_path} by the live model yet",
            advice="wait for it with `pixd wait`",
        )
    beside = path.removesuffix(".png") + ".new.png"
    with _folder_of(store, pipeline, beside) as folder:
        target = path_in(folder, beside)
        if output_files.look(target, made, None) in output_files.NOT_PUBLISHED_LAST:
            raise PixdError(f"{beside} is there already", advice="move it away")
        (error,) = output_files.publish_each([(store.objects.path_of(made), target)], below=folder)
    if error:
        raise _not_written(beside, error) from error
    return beside


@contextlib.contextmanager
def _folder_of(store: Store, pipeline: PipelineSettings, path: str) -> Iterator[Path]:
    """Yield the output folder, held: see `OutputPlace.held`.

    Raises:
        PixdError: it is not there, or the block raised OSError about the output `path`.
    """
    place = OutputPlace(store, pipeline.name, pipeline.output)
    if why := place.why_not():
        raise PixdError(why, advice="look whether its disk is there")
    try:
        with place.held() as folder:
            yield folder
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: str, error: Exception) -> PixdError:
    return PixdError(
        f"{path} could not be written: {in_words(error)}",
        advice="see that the output folder is there, writable and has space",
    )
