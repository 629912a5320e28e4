# One target per image: operator, gateway, file-sync, jobs.
#   docker build --target gateway -t tenantry/gateway:0.0.0-dev .
# A build from the tree has a placeholder version; `make release` packs a context with the commit's version.
# All packages are installed by hash. BASE accepts a digest: python:3.11-slim-bookworm@sha256:...
# A .pth file names /packages, which holds Tenantry's packages. PYTHONPATH would not do: the process that reads
# documents ignores it.
# Dependencies have a separate layer. Nodes do not pull it again when an upgrade leaves requirements/ unchanged.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS tools
ENV UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /src
COPY requirements/uv.txt requirements/build.txt requirements/
RUN python3 -m venv /tools \
 && /tools/bin/python -m pip install -q --no-cache-dir --require-hashes -r requirements/uv.txt \
 && /tools/bin/uv pip install -q --python /tools/bin/python --require-hashes -r requirements/build.txt \
 && /tools/bin/uv venv -q --python python3 /app \
 && echo /packages > "$(echo /app/lib/python3*/site-packages)/packages.pth"
ENV VIRTUAL_ENV=/app PATH=/tools/bin:$PATH

FROM tools AS wheels
COPY operator operator
COPY services services
RUN for folder in operator services/*; do \
      uv build -q --wheel --no-build-isolation --python /tools/bin/python -o /wheels "$folder" || exit 1; \
    done

FROM tools AS operator-dependencies
COPY requirements/operator.txt requirements/
RUN uv pip install -q --compile-bytecode --require-hashes -r requirements/operator.txt

FROM wheels AS operator-packages
RUN uv pip install -q --compile-bytecode --no-deps --target /packages /wheels/tenantry_servicekit-*.whl /wheels/tenantry_tenancy-*.whl /wheels/tenantry_operator-*.whl

FROM tools AS gateway-dependencies
COPY requirements/gateway.txt requirements/
RUN uv pip install -q --compile-bytecode --require-hashes -r requirements/gateway.txt

FROM wheels AS gateway-packages
RUN uv pip install -q --compile-bytecode --no-deps --target /packages /wheels/tenantry_servicekit-*.whl /wheels/tenantry_tenancy-*.whl /wheels/tenantry_gateway-*.whl

FROM tools AS file-sync-dependencies
COPY requirements/file-sync.txt requirements/
RUN uv pip install -q --compile-bytecode --require-hashes -r requirements/file-sync.txt

FROM wheels AS file-sync-packages
RUN uv pip install -q --compile-bytecode --no-deps --target /packages /wheels/tenantry_servicekit-*.whl /wheels/tenantry_tenancy-*.whl /wheels/tenantry_file_sync-*.whl

# All jobs have the same packages.
FROM tools AS jobs-dependencies
COPY requirements/jobs.txt requirements/
RUN uv pip install -q --compile-bytecode --require-hashes -r requirements/jobs.txt

FROM wheels AS jobs-packages
RUN uv pip install -q --compile-bytecode --no-deps --target /packages /wheels/tenantry_servicekit-*.whl /wheels/tenantry_tenancy-*.whl /wheels/tenantry_databases_install-*.whl /wheels/tenantry_n8n_install-*.whl /wheels/tenantry_open_webui-*.whl /wheels/tenantry_qdrant_snapshots-*.whl /wheels/tenantry_smoke_test-*.whl

FROM ${BASE} AS runtime
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001

FROM runtime AS operator
COPY --from=operator-dependencies /app /app
COPY --from=operator-packages /packages /packages
ENTRYPOINT ["python", "-m", "tenant_operator"]

FROM runtime AS gateway
COPY --from=gateway-dependencies /app /app
COPY --from=gateway-packages /packages /packages
ENTRYPOINT ["python", "-m", "gateway"]

FROM runtime AS file-sync
COPY --from=file-sync-dependencies /app /app
COPY --from=file-sync-packages /packages /packages
ENTRYPOINT ["python", "-m", "file_sync"]

# The argument selects the job: databases_install, n8n_install, webui_install, qdrant_snapshots or smoke_test.
FROM runtime AS jobs
COPY --from=jobs-dependencies /app /app
COPY --from=jobs-packages /packages /packages
ENTRYPOINT ["python", "-m"]
