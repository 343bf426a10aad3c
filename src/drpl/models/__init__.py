"""Shipped networks with their cards, and fusion methods by id."""
