"""pix2pix in TensorFlow: training, translating, exporting and scoring, each as a child process.

Only this package imports TensorFlow, and it imports it late: `pixd.system.children.child` first
claims stdout for the protocol, and tells the parent what the child is waiting for. The package
knows `pixd.images.decode`, `pixd.system.names`, `pixd.system.errors` and nothing above them.
"""
