"""Makes LICENCES.md: under which licence everything is that comes with quantlabel.

    python -m scripts.make_licences > LICENCES.md

Reads the metadata of what is installed (all of requirements.txt) and, for the compiled kernel, what
cargo says. Packages whose metadata name no licence stand in `_READ`, as their own files say.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement

from tests.helpers.root import ROOT

_EXTRAS = ("analysis", "aws", "demo", "gcp", "iceberg", "jxl", "lance", "tensorflow", "yaml")

# What wheels bring along, where it has another licence.
_NOTES = {
    "pi-heif": "its wheels hold libheif and libde265, LGPL-3.0-or-later, as files of their own",
    "pillow": "its wheels hold libavif, OpenJPEG, libwebp, libtiff, LittleCMS and others, all under"
    " permissive licences that its own file names",
    "simplejpeg": "its wheels hold libjpeg-turbo, IJG AND BSD-3-Clause AND Zlib",
    "pillow-jxl-plugin": "its wheels hold libjxl, BSD-3-Clause",
    "pyarrow": "its wheels hold Arrow C++ and what that needs, under permissive licences",
    "ai-edge-litert": "its wheels hold TensorFlow Lite and XNNPACK, Apache-2.0 and BSD-3-Clause",
}

# Licences that the metadata do not name.
_READ: dict[str, str] = {}

_TEXT = """# Licences of what comes with quantlabel

Made by `scripts/make_licences.py`. quantlabel itself is under the Apache License 2.0, see LICENSE.
Its wheel holds the names of WordNet (see README.md) and, where the kernel was compiled, the crates
below. `pip` installs the packages beside it, each under its own licence. Whatever is installed
without an extra may be used and passed on together with quantlabel. The extra `jxl` is under the
GPL: who passes on a program or an image with it has to keep to that, so our image leaves it out.
"""


def main() -> None:
    """Prints the page."""
    print(_TEXT)
    print("## The wheel: packages\n\n| package | for | licence | |\n|---|---|---|---|")
    for name, extra in requirements():
        print(f"| {name} | {extra or 'all'} | {licence(name)} | {_NOTES.get(name, '')} |")
    print("\n## The wheel: the compiled kernel\n\n| crate | licence |\n|---|---|")
    for name, text in _crates():
        print(f"| {name} | {text} |")
    print("\n## The image of Dataflow\n\n| package | licence |\n|---|---|")
    for name in image():
        print(f"| {name} | {licence(name)} |")


def requirements() -> list[tuple[str, str]]:
    """Packages that setup.py names, each with the extra that brings it, or nothing."""
    found: dict[str, str] = {}
    for line in importlib.metadata.requires("quantlabel") or []:
        each = Requirement(line)
        extras = [name for name in _EXTRAS if each.marker and each.marker.evaluate({"extra": name})]
        if each.marker is None or extras:
            found.setdefault(each.name, extras[0] if extras else "")
    return sorted(found.items(), key=lambda pair: (pair[1], pair[0]))


def image() -> list[str]:
    """Packages of the image."""
    lines = (ROOT / "deploy/dataflow/requirements.txt").read_text("utf-8").splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line]


def licence(name: str) -> str:
    """What a package says of itself; empty if it is not installed, or says nothing."""
    if name in _READ:
        return _READ[name]
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    said = [
        *(metadata.get_all("License-Expression") or []),
        *_classifiers(metadata),
        *(metadata.get_all("License") or []),  # some hold the whole text
    ]
    short = (text.strip() for text in said)
    return next((text for text in short if text and "\n" not in text and len(text) < 60), "")


def _classifiers(metadata: importlib.metadata.PackageMetadata) -> Iterator[str]:
    found: Iterable[str] = metadata.get_all("Classifier") or []
    names = [re.sub(r".*:: ", "", each) for each in found if each.startswith("License :: ")]
    if specific := [name for name in names if name != "OSI Approved"]:
        yield " AND ".join(specific)


def _crates() -> list[tuple[str, str]]:
    """Crates of native/Cargo.lock, but for our own."""
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    done = subprocess.run(command, cwd=ROOT / "native", capture_output=True, check=True)
    packages = json.loads(done.stdout)["packages"]
    return sorted((each["name"], each["license"]) for each in packages if each["source"])


if __name__ == "__main__":
    main()
