#!/bin/sh
set -eu
case "${1:-}" in -* | *.conf) set -- redis-server "$@" ;; esac
exec "$@"
