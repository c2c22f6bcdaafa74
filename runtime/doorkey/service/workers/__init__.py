"""Several worker processes that serve on one port."""
