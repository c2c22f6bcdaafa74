"""How requests reach a site and how the bytes of its answers become items."""
