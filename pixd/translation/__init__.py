"""A recorded input becomes a published output: what is due, the translator, the file and its name.

An output that a person edited and a file that pixd did not make are never replaced.
"""
