"""Everything that a store and its output folders say, read into plain values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import NamedTuple

from pixd.store import manifests
from tests.support.store_world import KINDS, PIPELINES, World

Place = tuple[str, str]  # (pipeline, kind), or (pipeline, name of an output)


class Standing(NamedTuple):
    """An output that should stand in the output folder."""

    state: str
    input_path: str
    input_digest: str
    model: int  # the first number of its digest
    digest: str


class Live(NamedTuple):
    """What the ref says."""

    number: int | None = None
    is_pinned: bool = False


@dataclass
class Facts:
    """What can be read from the store and the output folders."""

    commits: dict[Place, list[dict[str, str]]] = field(
        default_factory=lambda: {(p, k): [] for p in PIPELINES for k in KINDS}
    )
    models: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PIPELINES, 0))
    live: dict[str, Live] = field(default_factory=lambda: dict.fromkeys(PIPELINES, Live()))
    refs: dict[str, list[tuple[int | None, int | None, bool]]] = field(
        default_factory=lambda: {p: [] for p in PIPELINES}
    )
    excluded: dict[str, set[str]] = field(default_factory=lambda: {p: set() for p in PIPELINES})
    rows: dict[Place, set[str]] = field(
        default_factory=lambda: {(p, k): set() for p in PIPELINES for k in KINDS}
    )
    standing: dict[Place, Standing] = field(default_factory=dict)
    files: dict[Place, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)  # of bytes that gc may take
    batches: list[set[str]] = field(default_factory=list)  # oldest first


def read_facts(world: World) -> Facts:
    """Read from the rows, the manifests and the folders what a ledger says of them."""
    store, facts = world.store, Facts()
    conn = store.db.conn
    numbers: dict[tuple[str, str], int] = {}
    for pipeline, number, digest in conn.execute(
        "SELECT pipeline, number, digest FROM model ORDER BY number"
    ):
        numbers.setdefault((pipeline, digest), number)
        facts.models[pipeline] = number
    for pipeline in PIPELINES:
        live = store.models.live(pipeline)
        pinned = store.models.is_pinned(pipeline)
        facts.live[pipeline] = Live(live.number if live else None, pinned)
        facts.excluded[pipeline] = set(store.exclusions.of(pipeline))
        changes = conn.execute(
            "SELECT old.number, new.number, why LIKE 'rolled back from %' OR why LIKE"
            " '%, which was recalled' FROM ref_log LEFT JOIN model AS old"
            " ON old.id = old_model_id LEFT JOIN model AS new ON new.id = new_model_id"
            " WHERE ref_log.pipeline = ? ORDER BY ref_log.id",
            (pipeline,),
        )
        facts.refs[pipeline] = [(old, new, bool(is_back)) for old, new, is_back in changes]
        for kind in KINDS:
            repo = store.history.repo_id(pipeline, kind)
            versions = conn.execute(
                'SELECT version FROM "commit" WHERE repo_id = ? ORDER BY seq', (repo,)
            ).fetchall()
            facts.commits[pipeline, kind] = [
                {n: e.digest for n, e in manifests.read(store.objects.path_of, v).items()}
                for (v,) in versions
            ]
            rows = conn.execute("SELECT path FROM file WHERE repo_id = ?", (repo,))
            facts.rows[pipeline, kind] = {row[0] for row in rows}
    for pipeline, path, state, name, content, model, digest in conn.execute(
        "SELECT pipeline, path, state, input_path, input_digest, model_digest, digest FROM output"
        " WHERE state IN ('current', 'edited', 'missing', 'orphaned')"
    ):
        facts.standing[pipeline, path] = Standing(
            state, name, content, numbers[pipeline, model], digest
        )
    facts.files = world.output_files()
    facts.states = dict(
        conn.execute(
            "SELECT digest, object_bytes.state FROM object_bytes JOIN object USING (digest)"
            " WHERE media_type NOT IN ('application/json', 'text/x-pixd-manifest')"
        ).fetchall()
    )
    batches: dict[str, set[str]] = {}
    for batch, digest in conn.execute("SELECT batch, digest FROM trash ORDER BY batch"):
        batches.setdefault(batch, set()).add(digest)
    facts.batches = list(batches.values())
    return facts


def assert_same(real: Facts, expected: Facts) -> None:
    """Compare fact by fact, so that a difference is named."""
    for one in fields(Facts):
        got, want = getattr(real, one.name), getattr(expected, one.name)
        assert got == want, f"{one.name}: {got} is not {want}"
