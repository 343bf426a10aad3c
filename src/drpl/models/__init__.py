"""Shipped networks with their cards, and the fusion methods by id."""
