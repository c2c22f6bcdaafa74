"""The dashboard: a page for people who look at the service in a browser."""
