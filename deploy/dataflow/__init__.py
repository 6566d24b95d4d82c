"""The image and the template of Dataflow jobs."""
