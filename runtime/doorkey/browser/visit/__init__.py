"""One visit: a page is opened, logged in to where needed, and read once it has settled."""
