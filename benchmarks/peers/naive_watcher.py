"""The script that people write instead: a watchdog handler around a translate function.

It is here to be compared with pixd in the tests of faults and in the benchmarks. It is fair: it
does what such scripts do, in the usual thirty lines, and is not made worse than they are.

Usage: python benchmarks/peers/naive_watcher.py INPUT OUTPUT. "Translating" inverts the colours, so
that no time goes into a network.
"""

import sys
import time
from pathlib import Path

from PIL import Image, ImageOps
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Handler(FileSystemEventHandler):
    def __init__(self, output: Path) -> None:
        self.output = output

    def on_created(self, event: FileSystemEvent) -> None:
        if event.is_directory:
            return
        path = Path(str(event.src_path))
        time.sleep(0.05)  # let it be written
        try:
            image = ImageOps.invert(Image.open(path).convert("RGB"))
            image.save(self.output / (path.stem + ".png"))
            print("translated", path.name, flush=True)
        except Exception as error:  # noqa: BLE001 - as such scripts do
            print("failed", path.name, error, flush=True)


def main() -> None:
    source, output = Path(sys.argv[1]), Path(sys.argv[2])
    observer = Observer()
    observer.schedule(Handler(output), str(source), recursive=True)
    observer.start()
    print("watching", flush=True)
    try:
        while True:
            time.sleep(1)
    finally:
        observer.stop()
        observer.join()


if __name__ == "__main__":
    main()
