"""Answers to questions from a tenant's documents."""
