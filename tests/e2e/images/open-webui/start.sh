#!/bin/bash
exec python3 -m uvicorn open_webui.main:app --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}" --forwarded-allow-ips '*' --workers "${UVICORN_WORKERS:-1}"
