"""Makes training sets from folders of pictures: `pixd prepare`.

It needs no configuration and no store. The command's own process lists folders and writes files
(`listing`, `crew`). Its children, with limited memory and time, read and make the pictures
(`maker_child`, `making`). Each picture records its source and settings (`seal`). So if the same
command runs again, it makes only what is new.
"""
