"""Children on other machines: the service's side, the bridge, and what runs on a machine of a cluster.

    service --JSON lines--> bridge (child, here) ==carrier==> host (there) --JSON lines--> child (there)

To the service a bridge is the trainer or the translator: it gets the same run spec, sends the same
events, and leaves the same files in scratch. A host starts pixd's real child on its machine and
relays what it says. Between both is a carrier, which knows how to start a host on a machine that has
room, call it, hear its stream, and kill it. Ray is the only one so far.

Promises: a worker publishes nothing. What it made is bytes in an answer to the one bridge that holds
the attempt; the bridge hashes them, and the service hashes them again. With `engine: local` nothing
of this package is imported.

Leaves to others: every decision. What is due, what is believed, and what is tried again is decided by
the service, as ever.
"""
