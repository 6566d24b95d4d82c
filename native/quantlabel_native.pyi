INTERFACE: int

def load_jpeg(
    data: bytes,
    *,
    size: int,
    method: str,
    views: int,
    max_pixels: int,
    plain: bool = False,
) -> tuple[bytearray, int, int] | None: ...
