"""Where requests may go, and connections to there: addresses, rules, proxies."""
