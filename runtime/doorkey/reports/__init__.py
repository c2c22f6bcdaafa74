"""Reports of failures: what a broken visit or a refused call leaves to look at."""
