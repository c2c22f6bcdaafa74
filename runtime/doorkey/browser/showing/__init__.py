"""A window in which a person shows a login and one use of a site, and what is recorded of it."""
