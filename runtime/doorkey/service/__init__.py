"""The local HTTP service: the configured sites for other programs, in OpenAI's shape and as a reverse proxy."""
