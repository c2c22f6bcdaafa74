"""`python -m doorkey` is the `doorkey` command."""

from __future__ import annotations

from doorkey.cli.main import main

if __name__ == "__main__":
    main()
