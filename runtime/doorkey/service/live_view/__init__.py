"""The live view for browsers: its page, its WebSocket, and the small service of `doorkey login --link`."""
