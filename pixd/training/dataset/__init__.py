"""Recorded images become pairs on two sides, training and held-out, with findings about them.

All of it is pure but for the inspector, a child that decodes each new image once.
"""
