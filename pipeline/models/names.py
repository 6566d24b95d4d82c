"""The network that commands use unless told otherwise."""

from __future__ import annotations

DEFAULT = "mobilenet_v1_0.25_128_quant"
