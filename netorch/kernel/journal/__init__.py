"""Writes the acts of netorch to the journal of systemd or to syslog, and reads them back."""
