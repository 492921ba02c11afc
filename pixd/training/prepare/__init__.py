"""Make training sets out of folders of pictures: `pixd prepare`.

It needs no configuration and no store. The command's own process lists folders and writes files
(`listing`, `crew`). Its children, with bounded memory and time, read and make the pictures
(`maker_child`, `making`). Each picture that is made records its source and settings (`seal`), so
that the same command makes only what is new when it runs again.
"""
