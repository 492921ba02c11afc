"""The script that people write instead of pixd: a watchdog handler around a translate function.

The tests of faults and the benchmarks compare pixd with it. The comparison is fair: it does what
such scripts do, in the usual thirty lines, and is not worse than they are.

Usage: python benchmarks/peers/naive_watcher.py INPUT OUTPUT. It only inverts the colours, so no
time goes into a network.
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
        time.sleep(0.05)  # wait until it is written
        try:
            image = ImageOps.invert(Image.open(path).convert("RGB"))
            image.save(self.output / (path.stem + ".png"))
            print("translated", path.name, flush=True)
        except Exception as error:  # noqa: BLE001 - such scripts do the same
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
