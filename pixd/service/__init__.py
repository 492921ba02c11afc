"""The daemon behind `pixd run`: the loop, its pipelines, signals, reload, heartbeat, control socket.

It is the only writer of the store while it runs. It has no arrays, decodes no image and never
imports TensorFlow. Its children do that.
"""
