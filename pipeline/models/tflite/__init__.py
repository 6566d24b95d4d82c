"""What is inside a tflite file, and networks made of one."""
