"""Decision masks of a pair: pair networks, consistency verification and corrections."""
