"""Network namespaces: found, attached, opened, made, removed and entered."""
