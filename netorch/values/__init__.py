"""Plain data that crosses the kernel door. Imports nothing of the other rooms but errors."""
