"""The output folder of a run: manifest, ledger, lock, unfinished attempts."""
