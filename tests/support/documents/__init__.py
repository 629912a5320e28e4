"""Sample documents, and their copies in the stores."""
