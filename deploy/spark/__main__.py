"""`python -m deploy.spark`: a Spark cluster on this machine, for one run or until Ctrl-C."""

from __future__ import annotations

import sys

from deploy.spark import Cluster
from deploy.start_cluster import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], name="spark", kind=Cluster))
