"""What n8n must be told about itself so that it keeps nothing of what passes through, and is quick.

The workflows' own settings say the same of themselves. These hold for every workflow, and for what is
left when a process dies in the middle. They belong on main, webhook and worker alike.
"""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ENVIRONMENT"]

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "EXECUTIONS_MODE": "queue",
        # Evaluating expressions in a VM of their own costs some 50 ms an execution.
        "N8N_EXPRESSION_ENGINE": "legacy",
        "EXECUTIONS_DATA_SAVE_ON_SUCCESS": "none",
        "EXECUTIONS_DATA_SAVE_ON_ERROR": "none",
        "EXECUTIONS_DATA_SAVE_ON_PROGRESS": "false",
        "EXECUTIONS_DATA_SAVE_MANUAL_EXECUTIONS": "false",
        # While it runs, an execution is a row with the caller's headers and body. One whose process died is
        # found after minutes and not three hours, and pruned after an hour and not two weeks.
        "N8N_EXECUTIONS_QUEUE_RECOVERY_INTERVAL": "5",
        "EXECUTIONS_DATA_PRUNE": "true",
        "EXECUTIONS_DATA_MAX_AGE": "1",
        "EXECUTIONS_DATA_PRUNE_SOFT_DELETE_INTERVAL": "5",
        "EXECUTIONS_DATA_PRUNE_HARD_DELETE_INTERVAL": "0.1",
        "EXECUTIONS_DATA_HARD_DELETE_BUFFER": "0",
        # A caller whose worker dies is told so after 20 seconds and not 90. Milliseconds.
        "QUEUE_WORKER_LOCK_DURATION": "20000",
        "QUEUE_WORKER_LOCK_RENEW_TIME": "5000",
        "QUEUE_WORKER_STALLED_INTERVAL": "5000",
        # Megabytes of a request: the gateway refuses more than one with a problem document of its own.
        "N8N_PAYLOAD_SIZE_MAX": "2",
        # Code nodes may write to the output: how "Tenantry: Errors" reaches the log.
        "CODE_ENABLE_STDOUT": "true",
        "N8N_BLOCK_ENV_ACCESS_IN_NODE": "true",
    }
)
