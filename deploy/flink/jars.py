"""The jars of Flink and of Beam's job server, from Maven Central, kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from transforms.errors import UserError

_HERE = Path(__file__).resolve().parent


def classpath() -> str:
    """All jars as one `java -cp` argument, downloaded by the first call (150 MB).

    Raises:
        UserError: `java` or `mvn` is not installed, Maven Central is out of reach, or a file is not
            the one that jars.sha256 names.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise UserError(f"{program}: not found. Debian has it: openjdk-17-jre-headless, maven.")
    digest = hashlib.sha256((_HERE / "pom.xml").read_bytes()).hexdigest()
    folder = user_cache_path("quantlabel") / f"flink-{digest[:12]}"
    if not folder.is_dir():
        _download(folder)
    return str(folder / "*")


def _download(folder: Path) -> None:
    """All or nothing: the folder appears when everything in it is complete and as expected."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as partial:
        jars = Path(partial, "jars")
        done = subprocess.run(
            [
                "mvn",
                "--batch-mode",
                "--quiet",
                "--strict-checksums",
                f"--file={_HERE / 'pom.xml'}",
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={jars}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise UserError(f"mvn could not get Flink's jars:\n{done.stdout.strip()[:2000]}")
        _verify(jars)
        os.replace(jars, folder)


def _verify(jars: Path) -> None:
    lines = (_HERE / "jars.sha256").read_text("utf-8").splitlines()
    expected = {name: digest for digest, name in (line.split() for line in lines)}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.iterdir()}
    wrong = sorted(dict(expected.items() ^ found.items()))
    if wrong:
        raise UserError(f"{', '.join(wrong)}: not what deploy/flink/jars.sha256 names")
