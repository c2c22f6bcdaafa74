"""Python clients into one site: asynchronous and synchronous."""
