"""Sample documents, uploads, and checks of the stores that keep documents."""
