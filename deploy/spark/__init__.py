"""A Spark cluster on this machine that runs Beam pipelines in Python worker processes."""

from deploy.spark.cluster import Cluster

__all__ = ["Cluster"]
