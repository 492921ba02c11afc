"""Queries of readers: read-only, with the standard library alone.

A query takes a read-only connection, or the store's folder, and returns plain values.
"""
