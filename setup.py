"""Builds the distribution `quantlabel`.

A plain setup.py, because Beam ships a package to Dataflow workers with `--setup_file=./setup.py`.
The same bounds stand in requirements.txt, the set that the tests run with;
tests/test_packaging.py compares the two.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent


def read_version() -> str:
    """The version in transforms/_version.py, read as text: importing it would need Beam."""
    text = (ROOT / "transforms" / "_version.py").read_text(encoding="utf-8")
    match = re.search(r'^VERSION = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise ValueError('transforms/_version.py has no line of the form VERSION = "1.2.3"')
    return match.group(1)


def compiled_kernel() -> dict[str, Any]:
    """Arguments of `setup` that build native/ too, where everything is there that it takes.

    Without them everything works as it does with them, only slower. Beam runs this file on
    launchers and workers, which have neither setuptools_rust nor a compiler, and stages no native/.
    """
    manifest = ROOT / "native" / "Cargo.toml"
    if not shutil.which("cargo") or not manifest.exists():
        return {}
    try:
        from setuptools_rust import Binding, RustExtension
    except ImportError:
        return {}
    extension = RustExtension(
        "quantlabel_native",
        path=str(manifest.relative_to(ROOT)),
        binding=Binding.PyO3,
        py_limited_api=True,
        optional=True,
    )
    # One build for Python 3.11 and later.
    options = {"bdist_wheel": {"py_limited_api": "cp311"}}
    return {"rust_extensions": [extension], "options": options}


RUNTIME = [
    # Launcher and workers must run the same minor version of Beam, so a release moves as a whole.
    "apache-beam>=2.77,<2.78",
    # Runs the network: the kernels of TensorFlow Lite in 60 MB, imported in a tenth of a second,
    # where tensorflow takes 1.9 GB and six seconds.
    "ai-edge-litert>=2.1,<3",
    # Rewrites the model's flatbuffer so that it has two outputs; the schema comes with litert.
    "flatbuffers>=25.12.19,<26",
    # The checksums of TFRecord and the protocol buffers in it, both without tensorflow.
    "google-crc32c>=1.6,<2",
    "protobuf>=6.31.1,<7",
    # The page of `quantlabel report`: it escapes everything unless told otherwise.
    "jinja2>=3.1.5,<4",
    "markupsafe>=3,<4",
    "numpy>=2,<2.5",
    # JSON lines straight from arrays, float32 in its shortest form.
    "orjson>=3.10,<4",
    # HEIF, which phones write: a decoder only; pillow-heif brings an encoder under the GPL. The
    # libraries in its wheels (LGPL) are files of their own, and a wheel has 1 to 2.5 MB. There are
    # wheels for all Pythons and systems that we name.
    "pi-heif>=1.4,<2",
    # Its wheels read AVIF and JPEG 2000 too.
    "pillow>=12.1.1,<13",
    "pyarrow>=19,<26",
    # The user's cache folder for models, where the operating system wants it.
    "platformdirs>=4.2,<5",
    # http(s) addresses: urllib3 connects to the address that was judged, for the name that was
    # asked; requests brings the authorities that vouch for names.
    "requests>=2.32.4,<3",
    "urllib3>=2.5,<3",
    # The progress bar and the closing tables.
    "rich>=13.9,<16",
    # Decodes JPEG, most of all pictures, to the same pixels as Pillow in about 60 % of the time.
    "simplejpeg>=1.8,<2",
    # Heads: keeps numpy's matrix products to one thread, as several wait for each other longer than
    # they compute.
    "threadpoolctl>=3.1,<4",
]

EXTRAS = {
    # The photographs of `make demo` are files inside scikit-image.
    "demo": ["scikit-image>=0.25,<0.27"],
    # gs:// paths and the Dataflow runner. Pictures are read through google-auth and urllib3, in a
    # third of the processor time that the client takes.
    "gcp": [
        "apache-beam[gcp]>=2.77,<2.78",
        "google-auth>=2.40,<3",
        "google-cloud-storage>=3,<4",
    ],
    # s3:// paths: all that the extra `aws` of Beam brings.
    "aws": ["boto3>=1.40,<2"],
    # JPEG XL. Not in the runtime: it is under the GPL, which would reach whoever passes our image
    # on. Of those under freer licences none has wheels for Linux on ARM and Python 3.14.
    "jxl": ["pillow-jxl-plugin>=1.3.5,<2"],
    # Near-duplicates and what to label next: an index of vectors, and components of a graph. Heads:
    # logistic regression and its cross-validation. The map of the report: t-SNE in wheels of 3.4 MB
    # for every Python that we name, where UMAP and PaCMAP bring a compiler of 60 MB. For Linux on
    # ARM it has no wheels; there the page has no map.
    "analysis": [
        "faiss-cpu>=1.10,<2",
        'openTSNE>=1.0.4,<2; sys_platform != "linux" or platform_machine != "aarch64"',
        "scikit-learn>=1.5,<2",
        "scipy>=1.13,<2",
    ],
    # Tables of a lakehouse, each with the package of its own project.
    "iceberg": ["pyiceberg[pyarrow,sql-sqlite]>=0.10,<1"],
    "lance": ["pylance>=7,<15"],
    # What Beam YAML needs to start, without the JavaScript and old pandas of Beam's own extra.
    "yaml": ["pandas>=2.2.3,<4", "docstring-parser>=0.15,<1", "jsonschema>=4,<5"],
    # The float module only; a labelling run never imports it. It has no wheel for Python 3.14.
    "tensorflow": ['tensorflow>=2.21,<2.22; python_version < "3.14"'],
    # What `make bench` measures against, and the photographs it takes if it is given none.
    "bench": [
        "daft>=0.7,<0.8",
        "ray[data]>=2.50,<3",
        "scikit-image>=0.25,<0.27",
        'tensorflow>=2.21,<2.22; python_version < "3.14"',
        # Beam's TensorFlow handler imports tensorflow_hub, and that pkg_resources.
        "setuptools>=77,<82",
        'tensorflow-hub>=0.16.1,<0.17; python_version < "3.14"',
        'tf-keras>=2.21,<2.22; python_version < "3.14"',
    ],
    "dev": [
        # Independent readers of what the writers write.
        "duckdb>=1.2,<3",
        "pandas>=2.2.3,<4",
        "polars>=1.20,<3",
        # Cloud Storage without a network; the tests start it themselves.
        "gcp-storage-emulator>=2026.7.19,<2027",
        # Makes up lists, archives and folders that nobody would think of.
        "hypothesis>=6.100,<7",
        # Holds the imports against the order of the rooms.
        "import-linter>=2.4,<3",
        # S3 without a network, likewise.
        "moto[server]>=5.1,<6",
        # Exact, as ruff below: a new version of a checker finds fault with what passed yesterday.
        "mypy==2.4.1",
        # Runs a notebook, as `jupyter execute` does.
        "ipykernel>=6.29,<8",
        "nbclient>=0.10,<1",
        "pytest>=8.3,<10",
        # `make test` on all cores.
        "pytest-xdist>=3.6,<4",
        "ruff==0.17.6",
        # The site: pages in Markdown, and a theme that needs nothing from elsewhere.
        "furo>=2025.12.19",
        "myst-parser>=5,<6",
        "sphinx>=9,<10",
        # The readers that exports are for.
        "datasets>=4,<6",
        "pycocotools>=2.0.8,<3",
        # Other readers of TIFF.
        "opencv-python-headless>=4.10,<6",
        "imagecodecs>=2026.3,<2028",  # tifffile decodes zstd and LZMA with it
        "tifffile>=2025.1,<2027",
        # Drives Chromium in the tests of pages.
        "selenium>=4.30,<5",
        # The packaging test builds a wheel without fetching a build environment.
        "setuptools>=77",
        "wheel>=0.45",
    ],
}

setup(
    name="quantlabel",
    version=read_version(),
    description="Labels image collections with quantized MobileNet V1 networks on Apache Beam",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Operating System :: MacOS",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    # Those that are maintained and that everything but tensorflow has wheels for.
    python_requires=">=3.11,<3.15",
    packages=find_packages(
        include=["pipeline", "pipeline.*", "quantlabel", "transforms", "transforms.*"]
    ),
    package_data={
        "pipeline": ["py.typed", "report/web/*", "run/costs/*.toml"],
        "quantlabel": ["py.typed"],
        "transforms": ["py.typed", "network/*.tsv"],
    },
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["quantlabel = pipeline.cli:main"]},
    zip_safe=False,
    **compiled_kernel(),
)
