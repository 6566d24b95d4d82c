"""How many photographs get another first class because of the space that they are stored in.

    python -m benchmarks.colour FOLDER MODEL PROFILE.icc...

Each photograph of the folder, taken for sRGB, is converted to the space of each profile by
LittleCMS in 8 bits, as programs do it, and stored without loss. Counted are those whose first class
is then another than in sRGB: with the profile ignored; as a run does it; and with the whole
picture converted back before it is resampled, by LittleCMS in 8 bits, by ours in 8 bits, and in
floating point without any rounding. The last column begins with a file of 16 bits that is never
rounded: what remains without the 8 bits of the file.
"""

from __future__ import annotations

import collections
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from quantlabel import load, load_model, load_network, unit_range
from transforms.images.colour.icc import colours_of, read_simple
from transforms.images.colour.space import Floats, Space, srgb_encoded, srgb_light
from transforms.images.decode import decode
from transforms.images.preprocess import preprocess
from transforms.inputs.archives.base import is_picture_name

Pixels = npt.NDArray[np.uint8]

_RELATIVE = ImageCms.Intent.RELATIVE_COLORIMETRIC
_BLACK_POINT = ImageCms.Flags.BLACKPOINTCOMPENSATION


def main(arguments: Sequence[str]) -> None:
    """Measures each profile."""
    folder, network, *profiles = arguments
    model, size = load_model(network), load_network(network).input_size

    def first_class(pixels: Pixels) -> int:
        return int(model.image_classification(unit_range(pixels[None]))[0].argmax())

    paths = sorted(path for path in Path(folder).iterdir() if is_picture_name(path.name))
    for profile in profiles:
        icc = Path(profile).read_bytes()
        changed: collections.Counter[str] = collections.Counter()
        apart: collections.defaultdict[str, list[float]] = collections.defaultdict(list)
        for path in paths:
            original = decode(path.read_bytes()).pixels.copy()
            reference = preprocess(original, size=size)
            expected = first_class(reference)
            for way, pixels in _ways(original, icc, size).items():
                changed[way] += first_class(pixels) != expected
                apart[way].append(float(np.abs(pixels.astype(int) - reference).mean()))
        print(f"{Path(profile).stem}, of {len(paths)}:")
        for way, levels in apart.items():
            print(f"  {changed[way]:4} {way}, levels apart {np.mean(levels):.2f}", flush=True)


def _ways(original: Pixels, icc: bytes, size: int) -> dict[str, Pixels]:
    """Each way to the network's input, from a photograph in sRGB."""
    file = _in_space(original, icc)
    data = io.BytesIO()
    file.save(data, "TIFF", icc_profile=icc)
    loaded = load(data.getvalue(), size=size)
    assert loaded.colour == "converted", loaded.colour
    found = {
        "ignored": load(data.getvalue(), size=size, colour="ignore").pixels,
        "as a run does": loaded.pixels,
        "whole picture by LittleCMS": preprocess(_by_littlecms(file, icc), size=size),
    }
    if colours_of(icc) == b"RGB ":
        space = read_simple(icc)
        assert space is not None
        stored = np.asarray(file)
        found["whole picture by ours"] = preprocess(space.convert(stored), size=size)
        found["whole picture in floating point"] = _resampled(_back(space, stored / 255), size)
        exact = np.rint(_forth(space, original) * 65_535) / 65_535
        found["the same, of 16 bits"] = _resampled(_back(space, exact), size)
    return found


def _in_space(original: Pixels, icc: bytes) -> Image.Image:
    mode = {b"RGB ": "RGB", b"CMYK": "CMYK"}[colours_of(icc)]
    return _converted(
        Image.fromarray(original), ImageCms.createProfile("sRGB"), _profile(icc), mode
    )


def _by_littlecms(file: Image.Image, icc: bytes) -> Pixels:
    return np.asarray(_converted(file, _profile(icc), ImageCms.createProfile("sRGB"), "RGB"))


def _profile(icc: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def _converted(image: Image.Image, here: object, there: object, mode: str) -> Image.Image:
    flags = _BLACK_POINT if "CMYK" in (image.mode, mode) else ImageCms.Flags.NONE
    found = ImageCms.profileToProfile(
        image,
        here,  # type: ignore[arg-type]
        there,  # type: ignore[arg-type]
        renderingIntent=_RELATIVE,
        outputMode=mode,
        flags=flags,
    )
    assert found is not None
    return found


_ENCODINGS = np.linspace(0, 1, 256)


def _each(pixels: Floats, curve: Callable[[Floats, int], Floats]) -> Floats:
    return np.stack([curve(pixels[..., i], i) for i in range(3)], axis=-1)


def _forth(space: Space, original: Pixels) -> Floats:
    """SRGB to the space, 0..1, unrounded."""
    light = srgb_light(original / 255) @ np.linalg.inv(space.matrix.astype(np.float64)).T
    return _each(light, lambda each, i: np.interp(each, space.curves[i], _ENCODINGS))


def _back(space: Space, stored: Floats) -> Floats:
    """The space to sRGB, 0..255, unrounded."""
    light = _each(stored, lambda each, i: np.interp(each, _ENCODINGS, space.curves[i]))
    return srgb_encoded((light @ space.matrix.T.astype(np.float64)).clip(0, 1)) * 255


def _resampled(pixels: Floats, size: int) -> Pixels:
    """As `preprocess` by `eval`, of floating-point samples, rounded once."""
    height, width = pixels.shape[:2]
    side = max(1, min(height, width) * 7 // 8)
    for axis, length in ((0, height), (1, width)):
        place = (length - side) // 2 + np.arange(size) * (side / size)
        lower = place.astype(int)
        upper = np.minimum(lower + 1, (length - side) // 2 + side - 1)
        share = (place - lower).reshape(-1, *[1] * (2 - axis))
        low, high = pixels.take(lower, axis), pixels.take(upper, axis)
        pixels = low + (high - low) * share
    # A hair up: what is whole in exact arithmetic must not be cut to one less.
    return (pixels + 1e-3).astype(np.uint8)


if __name__ == "__main__":
    main(sys.argv[1:])
