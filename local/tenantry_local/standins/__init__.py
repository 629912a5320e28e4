"""Stand-ins for systems that one machine cannot run: Amazon Bedrock and Qdrant."""
