"""The report of one model: what the store knows of it, as one page that needs nothing else.

`record` gathers, `curves` draws, `page` writes the HTML. None of them decodes a picture or runs
the model: the pictures come from a child (`pixd.pix2pix.pictures`) as files.
"""
