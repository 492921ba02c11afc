"""What people type: arguments, manual page, completion; `commands/` has a module for each command.

Only here do errors become a message and an exit code. A command that changes something asks the
running service. Where no service runs, it makes the change itself, under the lock.
"""
