"""The command line: all commands of `doorkey`."""
