"""Tests of Tenantry. unit: no program; integration and isolation: the real platform of local/."""
