"""Make training sets out of folders of pictures: `pixd prepare`.

Needs no configuration and no store. The command's own process lists folders and writes files
(`listing`, `crew`); children of it, with bounded memory and time, read and make the pictures
(`child`, `making`). What is made says of what and how (`seal`), so that the same command again
does only what is new.
"""
