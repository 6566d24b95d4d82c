"""The jars of a cluster and of Beam's job server, from Maven Central, kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from transforms.errors import UserError


def jars(folder: Path) -> Path:
    """The folder with all jars and nothing else, downloaded by the first call.

    Args:
        folder: with `pom.xml`, which says what is needed, and `jars.sha256`, which says what comes.

    Raises:
        UserError: `java` or `mvn` is not installed, Maven Central is out of reach, or a file is not
            the one that jars.sha256 names.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise UserError(f"{program}: not found. Debian has it: openjdk-17-jre-headless, maven.")
    digest = hashlib.sha256((folder / "pom.xml").read_bytes()).hexdigest()
    cached = user_cache_path("quantlabel") / f"{folder.name}-{digest[:12]}"
    if not cached.is_dir():
        _download(folder, cached)
    return cached


def _download(folder: Path, cached: Path) -> None:
    """All or nothing: the folder appears when everything in it is complete and as expected."""
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent) as partial:
        found = Path(partial, "jars")
        done = subprocess.run(
            [
                "mvn",
                "--batch-mode",
                "--quiet",
                "--strict-checksums",
                f"--file={folder / 'pom.xml'}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={found}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(
                f"mvn could not get the jars of {folder.name}:\n{done.stdout.strip()[:2000]}"
            )
        _verify(found, folder / "jars.sha256")
        os.replace(found, cached)


def _verify(jars: Path, names: Path) -> None:
    lines = names.read_text("utf-8").splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.iterdir()}
    wrong = sorted(dict(expected.items() ^ found.items()))
    if wrong:
        raise UserError(f"{', '.join(wrong)}: not what {names} says")
