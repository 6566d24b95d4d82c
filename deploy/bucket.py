"""A bucket of Cloud Storage on this machine, to try everything that needs gs:// without a project.

    python -m deploy.bucket photos     # puts the folder into the bucket and says what to set

Ends with Ctrl-C, and the bucket with it. Needs the extra `dev`.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
from pathlib import Path

from deploy.emulator import BUCKET, Cloud, run_cloud


def put(cloud: Cloud, folder: Path) -> int:
    """Puts the files of a folder below its own name; returns how many."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        cloud.put(f"{folder.name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return len(paths)


def main() -> None:
    """Runs the bucket until it is interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="to put into it")
    folders = parser.parse_args().folders
    with run_cloud() as cloud, contextlib.suppress(KeyboardInterrupt):
        for folder in folders:
            print(f"gs://{BUCKET}/{folder.name}: {put(cloud, folder):,} files")
        print(f"export STORAGE_EMULATOR_HOST={cloud.url}", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
