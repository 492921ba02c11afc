"""The lineage store: bytes by content, and the rows that say what made what.

`Store.open` is the writer's door (one process, under the lock); readers use
`pixd.store.connection.open_reader` and the queries of `pixd.store.queries.history`.
"""
