"""Sends packets to find out which nodes reach each other, and captures packets."""
