#!/usr/bin/env bash
# Pillow 12.3.0 decodes the white of a colour JPEG 2000 with 16 bits a sample as black.
#
# A valid file, written by imagecodecs 2026.3.6 (OpenJPEG): three pixels of one sample value each,
# 0, 32768 and 65535. Pillow makes 8 bits of 16 by rounding, and 65535 becomes 256, which is 0 in a
# byte. imagecodecs reads the file back as it was. Grey with 16 bits is not concerned (mode I;16).
#
# Seen: Pillow [0, 128, 0], imagecodecs [0, 32768, 65535]. Expected of Pillow: [0, 128, 255].
# Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.3.0 imagecodecs==2026.3.6 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import imagecodecs
import numpy as np
from PIL import Image

samples = np.repeat(np.array([0, 32768, 65535], np.uint16), 64).reshape(1, 192, 1)
data = imagecodecs.jpeg2k_encode(np.tile(samples, (64, 1, 3)), level=0)
pillow = np.asarray(Image.open(io.BytesIO(data)))[0, ::64, 0].tolist()
other = imagecodecs.jpeg2k_decode(data)[0, ::64, 0].tolist()
print("Pillow", pillow, "imagecodecs", other)
raise SystemExit((pillow, other) != ([0, 128, 0], [0, 32768, 65535]))
PYTHON
