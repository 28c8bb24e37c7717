"""Rollouts under load."""
