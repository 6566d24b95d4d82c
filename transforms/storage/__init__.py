"""One interface to files: this machine, Cloud Storage, S3 and Beam's file systems."""
