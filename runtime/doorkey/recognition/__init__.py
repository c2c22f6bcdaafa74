"""Which kind of site a page belongs to, told by what is on it."""
