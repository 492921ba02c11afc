"""Commits written to a store by hand, as intake writes them."""

from __future__ import annotations

from pixd.store.commits import Change, Commit
from pixd.store.files import HashedFile
from pixd.store.states import FileState
from pixd.store.store import Store
from pixd.system.stamps import FileStamp


def record(store: Store, repo_id: int, files: dict[str, bytes], removed: list[str]) -> Commit:
    """Do what intake does for files of these bytes."""
    head = store.working.head(repo_id)
    hashed, changes, kept = [], [], {}
    store.working.mark_settling(repo_id, files)
    for name, data in files.items():
        stored = store.objects.add(data)
        kept[stored.digest] = stored
        stamp = FileStamp(size=len(data), mtime_ns=1, ctime_ns=1, device=1, inode=1)
        hashed.append(HashedFile(name, stored.digest, stamp, is_racy=False))
        changes.append(Change(name, head[name].digest if name in head else None, stored.digest))
    changes += [Change(name, head[name].digest, None) for name in removed]
    store.objects.flush()
    with store.transaction():
        store.history.add_objects(kept.values(), "application/octet-stream")
        store.working.record(repo_id, hashed, FileState.RECORDED, "c1")
        store.working.forget(repo_id, removed)
        manifest = store.history.prepare_version(repo_id, changes, store.working)
        store.objects.flush()
        return store.history.commit(
            repo_id, manifest, changes, change_id="c1", reason="test", objects=kept
        )
