"""Environment variables that every n8n process needs, so that n8n stores no request and answers quickly.

Tenantry's workflows switch storage off in their settings. These variables apply to every workflow, and to
executions whose process died. Set the variables on main, webhook and worker processes.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ENVIRONMENT"]

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "EXECUTIONS_MODE": "queue",
        # Expressions in a separate VM would cost some 50 ms for each execution.
        "N8N_EXPRESSION_ENGINE": "legacy",
        "EXECUTIONS_DATA_SAVE_ON_SUCCESS": "none",
        "EXECUTIONS_DATA_SAVE_ON_ERROR": "none",
        "EXECUTIONS_DATA_SAVE_ON_PROGRESS": "false",
        "EXECUTIONS_DATA_SAVE_MANUAL_EXECUTIONS": "false",
        # A running execution is a database row with the caller's headers and body. If its process dies, n8n
        # finds the row after minutes instead of 3 hours, and prunes it after an hour instead of 2 weeks.
        "N8N_EXECUTIONS_QUEUE_RECOVERY_INTERVAL": "5",
        "EXECUTIONS_DATA_PRUNE": "true",
        "EXECUTIONS_DATA_MAX_AGE": "1",
        "EXECUTIONS_DATA_PRUNE_SOFT_DELETE_INTERVAL": "5",
        "EXECUTIONS_DATA_PRUNE_HARD_DELETE_INTERVAL": "0.1",
        "EXECUTIONS_DATA_HARD_DELETE_BUFFER": "0",
        # Milliseconds. If a worker dies, its caller gets an error after 20 seconds instead of 90.
        "QUEUE_WORKER_LOCK_DURATION": "20000",
        "QUEUE_WORKER_LOCK_RENEW_TIME": "5000",
        "QUEUE_WORKER_STALLED_INTERVAL": "5000",
        # Megabytes of a request. The gateway refuses more than one megabyte with a problem document.
        "N8N_PAYLOAD_SIZE_MAX": "2",
        # Let Code nodes write to standard output, so that the workflow "Tenantry: Errors" can write to the
        # log.
        "CODE_ENABLE_STDOUT": "true",
        "N8N_BLOCK_ENV_ACCESS_IN_NODE": "true",
    }
)
