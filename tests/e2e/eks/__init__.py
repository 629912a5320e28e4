"""Installation of the EKS profiles, with Postgres, Redis, Keycloak and AWS outside the cluster, as on EKS."""
