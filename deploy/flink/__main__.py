"""`python -m deploy.flink`: a Flink cluster on this machine, for one run or until Ctrl-C."""

from __future__ import annotations

import sys

from deploy.flink import Cluster
from deploy.start_cluster import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], name="flink", kind=Cluster))
