"""The colours that a file means, as sRGB, which the networks were trained on.

A file says which colours its numbers stand for by an ICC profile or by a few numbers.
`embedded` finds that, `profile` makes a conversion of it, and the conversion is done on the
network's input, which is small: `transforms.images.preprocess`. See docs/colour.md.
"""
