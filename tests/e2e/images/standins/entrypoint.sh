#!/bin/sh
exec python /src/qdrant.py
