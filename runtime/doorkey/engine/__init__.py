"""The main path: sends requests into a site and renews the session when the site refuses it."""
