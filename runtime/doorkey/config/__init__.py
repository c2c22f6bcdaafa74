"""Settings, secrets and the registry of providers. No other part reads the environment."""
