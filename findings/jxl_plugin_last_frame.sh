#!/usr/bin/env bash
# pillow-jxl-plugin 1.3.8 hands out the last frame of an animated JPEG XL, as if it were a still.
#
# A valid file of 68 bytes, written by cjxl 0.7.0 from an APNG: 8 x 8 pixels, the first frame red,
# the second blue. Other readers of Pillow open an animation at its first frame.
#
# Seen: (0, 0, 255), one frame, is_animated False. Expected: (255, 0, 0). Exits with 1 if that
# changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.3.0 pillow-jxl-plugin==1.3.8
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pillow_jxl
from PIL import Image

data = bytes.fromhex(
    "ff0a41040308282e090802920900005c004b188b15c24902e6052200d8fffed0"
    "0000000000000000080292050054004b188b15c249415e200200fa030000000000000000"
)
image = Image.open(io.BytesIO(data))
seen = image.getpixel((4, 4)), image.n_frames, image.is_animated
print(pillow_jxl.__name__, seen)
raise SystemExit(seen != ((0, 0, 255), 1, False))
PYTHON
