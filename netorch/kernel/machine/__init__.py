"""What this machine is and has, read without a change."""
