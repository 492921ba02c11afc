"""What `pixd doctor` looks at: the machine, the folders, the store, the service, the model.

`examination` lists the checks. Each is a small function that returns a `Check`: ok, warn or fail,
and if it is not ok, the command that fixes it. The checks need no running service and change
nothing; only the test of an event makes a folder in the store, and removes it again. Permissions
are those of the user who runs `pixd doctor`; the first check compares this user with the service's.
"""
