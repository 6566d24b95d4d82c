"""A Flink cluster on this machine that runs Beam pipelines in Python worker processes."""

from deploy.flink.cluster import Cluster

__all__ = ["Cluster"]
