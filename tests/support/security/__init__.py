"""Certificates, and forged tokens and tickets."""
