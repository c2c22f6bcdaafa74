"""The local service: doorkey's sites, in OpenAI's shape, for programs that know nothing of doorkey."""
