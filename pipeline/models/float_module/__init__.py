"""The float network with simulated quantization: read, written, converted, compared.

What the published `quantops` module was for TensorFlow 1. Needs the extra `tensorflow`; a labelling
run with a tflite imports nothing of it.
"""
