"""The network: layers, losses, optimizers, one step, and how a saved generator is called."""
