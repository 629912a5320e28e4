"""A stand-in for Amazon Bedrock with its wire format: embeddings with meaning, grounded answers, faults.

Source of paths, shapes and errors: the service model of ``bedrock-runtime`` that botocore carries.
"""
