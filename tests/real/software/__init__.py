"""Software that none of us wrote, as ordinary processes on loopback."""
