"""Where sessions come from, how they are kept fresh, and where they outlive the process."""
