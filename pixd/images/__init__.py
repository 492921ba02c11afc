"""Files to pixels and back, without TensorFlow: formats, decoding, fitting, tiles, PNG.

A file from outside is decoded in a child (`decoder_child`) with bounded memory and time.
"""
