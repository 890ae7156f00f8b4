"""What a package needs to add to proxyless: see the entry points in pyproject.toml."""
