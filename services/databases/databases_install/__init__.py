"""The job that creates Tenantry's databases and roles on an external Postgres, such as RDS."""
