"""Files that hold several pictures: tar, TFRecord, Parquet."""
