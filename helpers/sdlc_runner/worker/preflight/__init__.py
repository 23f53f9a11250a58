"""Whom the attempt reaches: told before work begins, as a dropped packet tells nobody."""
