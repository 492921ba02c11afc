"""pix2pix in TensorFlow: training, translating, exporting and scoring, each as a child process.

This is the only package that imports TensorFlow, and it imports it late:
`pixd.system.children.child` first claims stdout for the protocol, and the parent is told what is
being waited for. It knows
`pixd.images.decode`, `pixd.system.names`, `pixd.system.errors` and nothing above them.
"""
