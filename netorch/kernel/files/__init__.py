"""Files that netorch reads and writes: records in /run/netorch, /etc/netns, key files."""
