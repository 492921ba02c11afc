"""Read-only answers: status and its judgement, why, plan, trace, the report of a model, the doctor.

Nothing here changes a store or a folder. The modules that `pixd status` needs import only the
standard library and the store's queries, so that it answers at once.
"""
