"""A person's hands: a window of doorkey's browser, and logins in the person's own browser."""
