"""Files of netorch and of its nodes: /run/netorch, /etc/netns, key files."""
