"""Re-hash and re-derive everything that the store keeps, and name what does not agree.

Read-only. It also works on a copied store on which no service ever ran. Every finding says what is
wrong and what depends on it: for bytes, the files, models and outputs that have them.
"""

from __future__ import annotations

import concurrent.futures
import os
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from pixd.store import manifests, model_files
from pixd.store.commits import chain_hash
from pixd.store.queries import files, history, lineage
from pixd.store.states import BytesState, OutputState
from pixd.system.digests import hash_file
from pixd.system.names import path_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pixd.store.connection import Reader

HASHERS = min(8, os.cpu_count() or 1)  # hashlib lets other threads run while it works
SHOWN = 20
CHANGED = (
    "it was changed since pixd published it: if a person did that, all is well; else delete it, and it"
    " is made again"
)


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        what: "database", "object", "manifest", "commit", "model" or "output".
        name: which of them.
        problem: what is wrong with it.
        depends: what is made of it, by name.
    """

    what: str
    name: str
    problem: str
    depends: tuple[str, ...] = ()


class Verification(NamedTuple):
    """What was looked at, and what was found."""

    objects: int
    bytes: int
    commits: int
    outputs: int
    findings: tuple[Finding, ...]


def verify(
    reader: Reader,
    store: Path,
    outputs: Mapping[str, Path],
    progress: Callable[[str, int, int], None],
) -> Verification:
    """Check a store.

    Args:
        reader: its database.
        store: its folder.
        outputs: the output folder of each pipeline to be checked as well; {} for a copied store.
        progress: called with (what, done, of how many).
    """
    findings = list(_database(reader))
    objects, size = 0, 0
    wrong: set[str] = set()
    rows = reader.execute(
        "SELECT digest, size_bytes FROM object JOIN object_bytes USING (digest)"
        f" WHERE state = '{BytesState.PRESENT}'"
    ).fetchall()
    with concurrent.futures.ThreadPoolExecutor(HASHERS) as pool:
        problems = pool.map(lambda row: _look_at(store, row[0], row[1]), rows, chunksize=16)
        for row, problem in zip(rows, problems, strict=True):
            objects, size = objects + 1, size + row[1]
            progress("objects", objects, len(rows))
            if problem:
                wrong.add(row[0])
                depends = tuple(dependents(reader, row[0]))
                findings.append(Finding("object", row[0], problem, depends))
    commits = 0
    for commit, found in _commits(reader, store, wrong):
        commits += 1
        progress("commits", commits, 0)
        findings += [Finding("commit", commit, problem) for problem in found]
    findings += _models(reader, store, wrong)
    checked = 0
    for pipeline, folder in outputs.items():
        for output in _standing(reader, pipeline):
            checked += 1
            progress("outputs", checked, 0)
            problem = _output_problem(folder, output)
            if problem:
                name = f"{pipeline}/{output['path']}"
                findings.append(Finding("output", name, problem))
    return Verification(objects, size, commits, checked, tuple(findings))


def dependents(reader: Reader, digest: str) -> Iterator[str]:
    """Yield what is made of a content: files, versions, models and outputs, by name."""
    for a in lineage.appearances(reader, digest)[:SHOWN]:
        until = f" until {a.kind}@{a.until}" if a.until else ""
        yield f"{a.pipeline}/{a.kind}/{a.path} from {a.kind}@{a.since}{until}"
    for row in reader.execute(
        'SELECT repo.pipeline, repo.kind, seq FROM "commit" JOIN repo ON repo.id = repo_id'
        " WHERE version = ? ORDER BY seq LIMIT ?",
        (digest, SHOWN),
    ):
        yield f"{row[0]}/{row[1]}@{row[2]}"
    for row in reader.execute(
        "SELECT DISTINCT model.pipeline, number FROM run_output JOIN model"
        " ON run_output.run_id IN (model.train_run, model.export_run)"
        " WHERE run_output.digest = ? LIMIT ?",
        (digest, SHOWN),
    ):
        yield f"{row[0]}/model@{row[1]}"
    for output in files.outputs_with_digest(reader, digest)[:SHOWN]:
        yield f"{output.pipeline}/output/{output.path} ({output.state})"


def _look_at(store: Path, digest: str, size_bytes: int) -> str:
    path = lineage.object_path(store, digest)
    try:
        found = hash_file(path)
        size = path.stat().st_size
    except FileNotFoundError:
        return "its bytes are gone"
    except OSError as error:
        return f"its bytes cannot be read: {error.strerror}"
    if found != digest:
        return f"its bytes were changed: they are {found[:19]} now"
    return "" if size == size_bytes else f"its row says {size_bytes} bytes, there are {size}"


def quick_check(reader: Reader) -> str:
    """Say how the database is damaged, or "". All pages are checked; indexes are not compared."""
    try:
        rows = [str(row[0]) for row in reader.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        return str(error)
    return "; ".join(row.replace("\n", " ") for row in rows if row != "ok")


def _database(reader: Reader) -> Iterator[Finding]:
    try:
        for row in reader.execute("PRAGMA integrity_check(20)"):
            if row[0] != "ok":
                yield Finding("database", "lineage.db", str(row[0]))
        for row in reader.execute("PRAGMA foreign_key_check"):
            yield Finding("database", str(row[0]), f"row {row[1]} refers to no row of {row[2]}")
    except sqlite3.DatabaseError as error:
        yield Finding("database", "lineage.db", str(error))


def _commits(reader: Reader, store: Path, wrong: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (name, problems) of every commit: its chain, its manifest, its deltas."""
    rows = reader.execute(
        'SELECT "commit".*, repo.pipeline, repo.kind, files, bytes FROM "commit"'
        " JOIN repo ON repo.id = repo_id LEFT JOIN version ON version.digest = version"
        " ORDER BY repo_id, seq"
    ).fetchall()
    chains: dict[int, tuple[int, str, str | None]] = {}
    for row in rows:
        repo = row["repo_id"]
        seq, chain, version = chains.get(repo, (0, "", None))
        problems = []
        if row["seq"] != seq + 1:
            problems.append(f"{row['kind']}@{seq + 1} is missing before it")
        facts = (row["version"], row["change_id"], row["reason"], row["committed_at"])
        if chain_hash(chain, repo, row["seq"], *facts) != row["chain"]:
            problems.append(
                "its facts or those of its parent were changed: the chain does not hold"
            )
        problems += _deltas(reader, store, row, version, wrong)
        chains[repo] = (row["seq"], row["chain"], row["version"])
        yield f"{row['pipeline']}/{row['kind']}@{row['seq']}", problems


def _deltas(
    reader: Reader, store: Path, row: Any, parent: str | None, wrong: set[str]
) -> Iterator[str]:
    """Yield what differs between a commit's deltas and the difference of its manifests."""
    if row["version"] in wrong or parent in wrong:
        return  # already reported, for the manifest itself

    def path_of(digest: str) -> Path:
        return lineage.object_path(store, digest)

    try:
        difference = set(manifests.difference(path_of, parent, row["version"]))
        files, size = manifests.totals(path_of, row["version"])
    except (OSError, ValueError) as error:
        yield f"its manifest cannot be read: {error}"
        return
    recorded = {
        tuple(change)
        for change in reader.execute(
            "SELECT path, old_digest, new_digest FROM commit_change WHERE commit_id = ?",
            (row["id"],),
        )
    }
    if recorded != difference:
        names = sorted({str(change[0]) for change in recorded ^ difference})
        yield f"its deltas are not those of its manifest: {', '.join(names[:5])}"
    if (files, size) != (row["files"], row["bytes"]):
        yield f"its version's row says {row['files']} files, its manifest has {files}"


def _models(reader: Reader, store: Path, wrong: set[str]) -> Iterator[Finding]:
    """Yield what is wrong with the model folders that children load from."""
    rows = reader.execute("SELECT DISTINCT digest, pipeline, number FROM model ORDER BY id")
    for digest, pipeline, number in rows.fetchall():
        folder = model_files.folder_of(store, digest)
        if not folder.is_dir() or digest in wrong:
            continue
        try:
            entries = manifests.read(lambda d: lineage.object_path(store, d), digest)
        except (OSError, ValueError) as error:
            yield Finding("model", f"{pipeline}/model@{number}", f"its manifest: {error}")
            continue
        for name, entry in entries.items():
            if entry.digest in wrong:
                continue  # the same bytes by a hard link
            try:
                same = hash_file(folder / name) == entry.digest
            except OSError as error:
                yield Finding("model", f"{pipeline}/model@{number}", f"{name}: {error.strerror}")
                continue
            if not same:
                problem = f"{name} in {folder.name[:12]} is not what was exported"
                depends = history.pipelines_with_model(reader, digest)
                yield Finding("model", f"{pipeline}/model@{number}", problem, tuple(depends))


def _standing(reader: Reader, pipeline: str) -> list[Any]:
    return reader.execute(
        f"SELECT path, digest, state FROM output WHERE pipeline = ? AND state = '{OutputState.CURRENT}'"
        " ORDER BY path",
        (pipeline,),
    ).fetchall()


def _output_problem(folder: Path, output: Any) -> str:
    try:
        found = hash_file(path_in(folder, output["path"]))
    except FileNotFoundError:
        return "it is missing from the output folder"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "" if found == output["digest"] else CHANGED
