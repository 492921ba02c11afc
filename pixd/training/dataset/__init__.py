"""Recorded images become pairs on two sides, training and held-out, with findings about them.

Only the inspector is not pure: a child that decodes each new image once.
"""
