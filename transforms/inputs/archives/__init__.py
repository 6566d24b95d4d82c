"""Files that hold several pictures: tar, zip, TFRecord, Parquet."""
