"""Text and Markdown of answers."""
