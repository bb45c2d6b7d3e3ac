"""One module per process: what it opens, starts and stops."""
