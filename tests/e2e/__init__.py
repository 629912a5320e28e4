"""Tests of the chart on a cluster with real pods, which ``make e2e`` and ``make kind`` create.

The tests need a cluster (``KUBECONFIG``), the images (``TENANTRY_E2E_IMAGES``, a JSON file with a
reference for each image of :mod:`tests.e2e.images`) and the release's name (``TENANTRY_E2E_RELEASE``).
"""
