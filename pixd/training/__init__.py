"""The training folder becomes a live model: what is due, the snapshot, the run, the promotion.

A training has a key made of settings and pairs, and what was done under a key is never done
again. The arithmetic is in `pixd.pix2pix`, which runs as a child.
"""
