"""The float network with simulated quantization: its module, its variables, its files.

What the published `quantops` module was for TensorFlow 1. Needs the extra `tensorflow`; a labelling
run with a tflite imports nothing of it.
"""
