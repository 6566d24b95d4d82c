"""The compiled kernel: whether it is installed, and what a caller may choose.

`transforms.images.native` takes JPEG through it, `transforms.network.native` the network. No row
depends on it. Imports nothing heavy. See docs/kernel.md.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from transforms.errors import UsageError

Kernel = Literal["auto", "python", "native"]
"""What decodes JPEG and runs the network: the decoders and LiteRT (python), the compiled kernel
(native), or the latter where it is installed and takes what it is given. The rows are the same."""

KERNELS: tuple[Kernel, ...] = get_args(Kernel)

# What this version of quantlabel can talk to; a module left from another one is passed over.
_INTERFACE = 4

module: Any
"""The compiled module, or None."""

try:
    import quantlabel_native
except ImportError:
    module = None
else:
    module = quantlabel_native if quantlabel_native.INTERFACE == _INTERFACE else None


class UnsuitableError(Exception):
    """The kernel is not there, or cannot run a network as LiteRT does; says why."""


def extension() -> Any:
    """The compiled module.

    Raises:
        UnsuitableError: it is not installed, or of another version.
    """
    if module is None:
        raise UnsuitableError(
            "the compiled kernel is not installed, or of another version; `make wheel` builds it"
        )
    return module


def levels() -> list[str]:
    """Instructions that this processor and the kernel have in common, the fastest first.

    Raises:
        UnsuitableError: the kernel is not installed.
    """
    return list(extension().Network.levels())


def installed() -> str:
    """What a run with `auto` finds here, for people: python, or native with the instructions."""
    return "python" if module is None else f"native ({levels()[0]})"


def check_kernel(kernel: Kernel) -> None:
    """Refuses a kernel that there is not.

    Raises:
        UsageError: an unknown name, or native where the kernel is not installed.
    """
    if kernel not in KERNELS:
        raise UsageError(f"--kernel: expected one of {', '.join(KERNELS)}, found {kernel!r}")
    if kernel == "native":
        try:
            extension()
        except UnsuitableError as error:
            raise refused(error) from error


def refused(why: UnsuitableError) -> UsageError:
    """What a user is told who has asked for native."""
    return UsageError(f"--kernel native: {why}. Use auto or python.")
