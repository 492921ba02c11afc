"""The page: an HTTP server of its own beside the service, with the API that the page uses.

Promises: it reads the store read-only, asks the service only through its control socket, and writes
nothing but uploads, its tokens and its cache. The service does not know of it, and may be read to
the end without it. Who may ask is decided in `pixd.web.gate` before anything else.

Light on purpose: no numpy, Pillow, TensorFlow or sqlite-utils is imported here.
"""
