"""Programs that run as children: how they are started, given work, limited and ended.

`worker` and `warm_worker` are the parent's side, `child` is the side of the program itself.
"""
