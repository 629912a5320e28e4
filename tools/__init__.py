"""Development tools: generators of reference pages, checks, and the release."""
