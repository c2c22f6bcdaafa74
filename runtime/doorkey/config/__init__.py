"""Settings, secrets and the registry of providers. The only part that reads the environment."""
