"""The run spec: what a child is asked to do, as JSON."""

from __future__ import annotations

SCHEMA = 1  # version of the run spec and result manifest protocol between service and children
