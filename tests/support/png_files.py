"""PNG files written by hand, with exactly the depth and the chunks that a test asks for."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tests.support.tiff_files import packed

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png(values: np.ndarray, bits: int, colour_type: int, **chunks: bytes) -> bytes:
    """Return a PNG.

    Args:
        values: (height, width) or (height, width, channels), of whole numbers.
        bits: of each channel.
        colour_type: 0, 2, 3, 4 or 6, of IHDR.
        **chunks: between the header and the pixels, by name.
    """
    height, width = values.shape[:2]

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    assert values.reshape(height, width, -1).shape[2] == CHANNELS[colour_type]
    raw = packed(values.reshape(height, -1), bits, ">")
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], 1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    between = b"".join(chunk(name.encode(), content) for name, content in chunks.items())
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + between
        + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b"")
    )  # fmt: skip
