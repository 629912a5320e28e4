"""The whole platform on one Linux machine: real programs, and stand-ins only for what cannot be had."""
