"""Pure planning: compares files, objects and indexed documents, and decides the actions."""
