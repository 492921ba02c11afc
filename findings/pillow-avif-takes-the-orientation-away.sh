#!/bin/sh
# Pillow 13.0.0: saving as AVIF takes the orientation out of the EXIF that it was given. `save("x.avif", exif=exif)`
# removes the tag from the caller's own object, as AVIF says elsewhere how a picture is turned. Whatever is saved
# with it next, JPEG, WebP or PNG, has no orientation, and lies on its side; and if it was `picture.getexif()`, then
# ImageOps.exif_transpose(picture) does nothing from then on. So a loop that makes the usual copies of a phone's
# photo for the web is right or wrong by the order of its formats. The AVIF is right, and so is each file if it is
# made alone. Nothing is said; the other writers leave the object as it is. No issue is known to say it.
#
# Mend: give a copy, `exif=exif.tobytes()`, or turn the picture upright first.
#
# Source of the meaning of the tag: Exif 3.0 (CIPA DC-008), 4.6.5.1, Orientation. It needs python3 with venv, and a
# package index. It exits non-zero if the behaviour has changed.
set -eu
at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
python3 -m venv "$at/venv"
"$at/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0
cd "$at"
"$at/venv/bin/python" - <<'PYTHON'
import sys

import PIL
from PIL import Image, ImageOps

ORIENTATION, ON_ITS_SIDE = 0x0112, 6
print(f"Pillow {PIL.__version__}")
exif = Image.Exif()
exif[ORIENTATION] = ON_ITS_SIDE
Image.new("RGB", (80, 60), "red").save("phone.jpg", exif=exif)


def shown(name):
    with Image.open(name) as copy:
        return ImageOps.exif_transpose(copy).size


def copies(kinds):
    with Image.open("phone.jpg") as picture:
        exif = picture.getexif()
        for kind in kinds:
            picture.save(f"copy.{kind}", exif=exif)
        upright = ImageOps.exif_transpose(picture).size
    return {**{kind: shown(f"copy.{kind}") for kind in kinds}, "exif_transpose": upright}


first, last = copies(["avif", "webp", "jpg", "png"]), copies(["webp", "jpg", "png", "avif"])
print(f"the photo is shown as {shown('phone.jpg')}")
print("AVIF first:", ", ".join(f"{name} {size}" for name, size in first.items()))
print("AVIF last: ", ", ".join(f"{name} {size}" for name, size in last.items()))
wrong_first = {name for name, size in first.items() if size != (60, 80)}
wrong_last = {name for name, size in last.items() if size != (60, 80)}
if wrong_first != {"webp", "jpg", "png", "exif_transpose"} or wrong_last != {"exif_transpose"}:
    sys.exit("changed")
print("as described: what is saved after an AVIF lies on its side")
PYTHON
