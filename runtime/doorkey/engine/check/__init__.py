"""The session check: whether a session is still alive, asked of the site's own page after a suspect answer."""
