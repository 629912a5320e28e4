"""Deployment of an environment's CloudFormation stacks to an AWS account."""
