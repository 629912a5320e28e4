"""How a file becomes chunks of text that can be found."""
