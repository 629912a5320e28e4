"""The chart on a cluster with real pods. ``make e2e`` and ``make kind`` bring one up and run these tests.

The tests need a cluster (``KUBECONFIG``), the names of images (``TENANTRY_E2E_IMAGES``, a JSON file: where
each of :mod:`tests.e2e.images` can be pulled) and the release's name (``TENANTRY_E2E_RELEASE``).
"""
