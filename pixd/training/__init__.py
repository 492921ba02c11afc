"""The training folder becomes a live model: what is due, the snapshot, the run, the promotion.

The key of a training is made of its settings and pairs, and a training whose key has succeeded is
not done again. The arithmetic is in `pixd.pix2pix`, which runs as a child.
"""
