"""pixd turns folders into an image-translation service."""

__version__ = "0.1.0"
