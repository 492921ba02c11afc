"""Read-only answers: status and its judgement, why, plan, trace, the report of a model, the doctor.

Nothing here changes a store or a folder. What `pixd status` needs imports the standard library
and the store's queries alone, so that it answers at once.
"""
