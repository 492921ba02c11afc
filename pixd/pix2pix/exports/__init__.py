"""A generator in the forms that other runtimes load, and what shows that each computes the same."""
