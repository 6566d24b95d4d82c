"""Which kernel there is, and the answer to those who ask for one that there is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from transforms import kernel
from transforms.errors import UsageError
from transforms.kernel import UnsuitableError, check_kernel, installed


def test_without_the_module_native_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "module", None)
    assert installed() == "python"
    check_kernel("auto")
    check_kernel("python")
    with pytest.raises(UnsuitableError, match="the compiled kernel is not installed"):
        kernel.levels()
    expected = "^--kernel native: the compiled kernel is not installed, .* Use auto or python.$"
    with pytest.raises(UsageError, match=expected):
        check_kernel("native")


def test_with_the_module_its_instructions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SimpleNamespace(levels=lambda: ["avx2", "portable"])
    monkeypatch.setattr(kernel, "module", SimpleNamespace(Network=network))
    assert installed() == "native (avx2)"
    check_kernel("native")


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(UsageError, match="expected one of auto, python, native, found 'fast'"):
        check_kernel("fast")  # type: ignore[arg-type]
