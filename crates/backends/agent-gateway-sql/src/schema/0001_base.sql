CREATE TABLE IF NOT EXISTS {p}executions (
    id TEXT PRIMARY KEY NOT NULL,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued',
    message TEXT NOT NULL DEFAULT '',
    input {json},
    options {json},
    result {json},
    error TEXT,
    usage {json},
    session_id TEXT,
    user_id TEXT,
    schedule_id TEXT,
    schedule_name TEXT,
    parent_execution_id TEXT,
    root_execution_id TEXT,
    delegation_depth INTEGER NOT NULL DEFAULT 0,
    revision TEXT NOT NULL DEFAULT '',
    idempotency_key TEXT,
    fence BIGINT NOT NULL DEFAULT 0,
    started_at {time},
    completed_at {time},
    created_at {time} NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ix_{x}executions_key
    ON {p}executions (idempotency_key, (coalesce(user_id, ''))) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_{x}executions_newest ON {p}executions (created_at, id);
CREATE INDEX IF NOT EXISTS ix_{x}executions_agent ON {p}executions (agent_id, created_at, id);
CREATE INDEX IF NOT EXISTS ix_{x}executions_unusual
    ON {p}executions (status, created_at, id) WHERE status <> 'completed';
CREATE INDEX IF NOT EXISTS ix_{x}executions_root ON {p}executions (root_execution_id, created_at, id);
CREATE INDEX IF NOT EXISTS ix_{x}executions_owner
    ON {p}executions (user_id, created_at, id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_{x}executions_session
    ON {p}executions (session_id, created_at, id) WHERE session_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS ix_{x}executions_schedule
    ON {p}executions (schedule_id, created_at, id) WHERE schedule_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS {p}execution_log (
    execution_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data {json} NOT NULL,
    created_at {time} NOT NULL,
    PRIMARY KEY (execution_id, sequence)
){clustered};

CREATE TABLE IF NOT EXISTS {p}audit_log (
    id {number},
    event_type TEXT NOT NULL,
    actor TEXT,
    resource_type TEXT,
    resource_id TEXT,
    metadata {json},
    ip_address TEXT,
    created_at {time} NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_{x}audit_log_newest ON {p}audit_log (created_at, id);

CREATE TABLE IF NOT EXISTS {p}schedules (
    id TEXT PRIMARY KEY NOT NULL,
    agent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    cron_expr TEXT NOT NULL,
    message TEXT NOT NULL,
    instructions TEXT,
    input {json},
    enabled {flag} DEFAULT {true},
    timezone TEXT DEFAULT 'UTC',
    source TEXT NOT NULL DEFAULT 'workspace',
    user_id TEXT,
    last_run_at {time},
    next_run_at {time},
    deleted_at {time},
    created_at {time} NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_{x}schedules_oldest ON {p}schedules (created_at, id);

CREATE TABLE IF NOT EXISTS {p}users (
    user_id TEXT PRIMARY KEY NOT NULL,
    display_name TEXT,
    email TEXT,
    metadata_json {json} NOT NULL DEFAULT '{}',
    first_seen_at {time},
    last_seen_at {time}
);

CREATE TABLE IF NOT EXISTS {p}user_agent_configs (
    user_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    instructions TEXT,
    config_values {json} NOT NULL DEFAULT '{}',
    encrypted_secrets {json} NOT NULL DEFAULT '{}',
    setup_completed {flag} NOT NULL DEFAULT {false},
    created_at {time} NOT NULL,
    updated_at {time} NOT NULL,
    PRIMARY KEY (user_id, agent_id)
);

CREATE TABLE IF NOT EXISTS {p}conversations (
    conversation_id TEXT PRIMARY KEY NOT NULL,
    agent_id TEXT NOT NULL,
    user_id TEXT,
    title TEXT,
    summary TEXT,
    message_count BIGINT DEFAULT 0,
    metadata {json},
    created_at {time} NOT NULL,
    updated_at {time},
    ended_at {time}
);
CREATE INDEX IF NOT EXISTS ix_{x}conversations_grown ON {p}conversations (updated_at, conversation_id);
CREATE INDEX IF NOT EXISTS ix_{x}conversations_owner
    ON {p}conversations (user_id, updated_at, conversation_id) WHERE user_id IS NOT NULL;

CREATE TABLE IF NOT EXISTS {p}conversation_messages (
    message_id TEXT PRIMARY KEY NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES {p}conversations (conversation_id),
    sequence BIGINT NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    metadata_json {json} DEFAULT '{}',
    created_at {time} NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ix_{x}conv_messages_place
    ON {p}conversation_messages (conversation_id, sequence);

CREATE TABLE IF NOT EXISTS {p}notification_log (
    id {number},
    execution_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    user_id TEXT,
    event_type TEXT NOT NULL,
    channel TEXT NOT NULL,
    target TEXT NOT NULL DEFAULT '',
    payload {json},
    status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    created_at {time} NOT NULL,
    due_at {time},
    delivered_at {time}
);
CREATE INDEX IF NOT EXISTS ix_{x}notification_log_due
    ON {p}notification_log (due_at, id) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS ix_{x}notification_log_execution ON {p}notification_log (execution_id, id);
CREATE INDEX IF NOT EXISTS ix_{x}notification_log_agent ON {p}notification_log (agent_id, id);
CREATE INDEX IF NOT EXISTS ix_{x}notification_log_status ON {p}notification_log (status, id);

CREATE TABLE IF NOT EXISTS {p}mcp_servers (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    transport TEXT NOT NULL,
    command TEXT,
    args {json},
    url TEXT,
    enabled {flag} NOT NULL DEFAULT {true},
    encrypted_env TEXT,
    encrypted_headers TEXT,
    encrypted_credentials TEXT,
    created_at {time} NOT NULL,
    updated_at {time}
);
CREATE UNIQUE INDEX IF NOT EXISTS ix_{x}mcp_servers_name ON {p}mcp_servers (name);
