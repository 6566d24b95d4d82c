#!/usr/bin/env bash
# Pillow 12.3.0 makes other pixels of a PNG transparent than the file says, or none.
#
# A PNG without alpha may name one value that is transparent (chunk tRNS), in the depth of its
# samples. Pillow spreads grey of 2 and 4 bits over 8 and compares that with the value as it stands
# in the file; of colour with 16 bits it keeps the high bytes and compares those with the low bytes
# of the value.
#
# Seen, alphas by pypng 0.20220715.0 and by Pillow:
#   grey, 2 bits, samples 0 1 2 3, transparent 2: 255 255 0 255 and 255 255 255 255
#   colour, 16 bits, transparent 0x0102 0x0304 0xff05, of it and of 0x0203 0x0405 0x05ff:
#   0 255 and 255 0
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.3.0 pypng==0.20220715.0
cat > "$folder/compare.py" <<'PYTHON'
import io

import png
from PIL import Image


def alphas(row, width, **how):
    file = io.BytesIO()
    png.Writer(width, 1, **how).write(file, [row])
    _, _, rows, _ = png.Reader(bytes=file.getvalue()).asRGBA8()
    by_pypng = list(list(rows)[0][3::4])
    by_pillow = list(Image.open(file).convert("RGBA").getchannel("A").tobytes())
    print(*by_pypng, "and", *by_pillow)
    return by_pypng, by_pillow


grey = alphas([0, 1, 2, 3], 4, greyscale=True, bitdepth=2, transparent=2)
assert grey == ([255, 255, 0, 255], [255, 255, 255, 255])
key, other = (0x0102, 0x0304, 0xFF05), (0x0203, 0x0405, 0x05FF)
colour = alphas([*key, *other], 2, greyscale=False, bitdepth=16, transparent=key)
assert colour == ([0, 255], [255, 0])
PYTHON
"$folder/venv/bin/python" "$folder/compare.py"
