"""Stand-in for Amazon Bedrock with the same API: embeddings, grounded answers and injected faults.

Source of paths, shapes and errors: the service model of ``bedrock-runtime`` in botocore.
"""
