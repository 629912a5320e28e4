"""How passages become an answer with citations."""
