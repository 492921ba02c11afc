"""What people type: arguments, the manual page and completion; `commands/` has one module a command.

Errors become a message and an exit code here and nowhere else. A command that changes something
asks the running service, or does it itself under the lock where no service runs.
"""
