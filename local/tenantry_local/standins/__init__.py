"""Stand-ins for systems that cannot run on one machine: Amazon Bedrock and Qdrant."""
