"""A watched folder becomes commits: watch, scan, settle, tracking, recorder, intake.

The scan is the truth and an event is a hint. A watched folder is written only when a
person asks for it: here by `restore`; by `pixd teach`, `pixd prepare` and uploads elsewhere.
"""
