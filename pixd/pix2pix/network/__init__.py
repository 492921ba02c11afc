"""The networks: layers, losses, optimizers, one step, and how to call a saved generator."""
