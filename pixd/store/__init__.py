"""The lineage store: bytes by content, and the rows that say what made what.

One process writes it, under a lock: `pixd.store.opening.open_store`. Readers use
`pixd.store.connection.open_reader` and the queries of `pixd.store.queries`.
"""
