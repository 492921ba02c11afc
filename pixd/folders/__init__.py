"""A watched folder becomes commits: watch, scan, settle, tracking, recorder, intake.

The scan is the truth and an event is a hint. A watched folder is never written, except by
`restore`, when a person asks for it.
"""
