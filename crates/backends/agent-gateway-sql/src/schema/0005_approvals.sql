-- Tool calls that wait for a person.
CREATE TABLE {p}approvals (
    id TEXT PRIMARY KEY NOT NULL,
    execution_id TEXT NOT NULL,
    root_execution_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    user_id TEXT,
    call_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    arguments {json} NOT NULL,
    question TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    decision {json},
    expires_at {time} NOT NULL,
    created_at {time} NOT NULL
);
CREATE INDEX ix_{x}approvals_pending ON {p}approvals (status, expires_at, id) WHERE status = 'pending';
CREATE INDEX ix_{x}approvals_status ON {p}approvals (status, created_at, id);
CREATE INDEX ix_{x}approvals_newest ON {p}approvals (created_at, id);
CREATE INDEX ix_{x}approvals_execution ON {p}approvals (execution_id, created_at, id);
CREATE INDEX ix_{x}approvals_root ON {p}approvals (root_execution_id, created_at, id);
-- Delegated executions keep their keys, so that those are no longer passed by whenever keys are freed.
DROP INDEX {s}ix_{x}executions_keyed;
CREATE INDEX ix_{x}executions_keyed
    ON {p}executions (created_at, id) WHERE idempotency_key IS NOT NULL AND parent_execution_id IS NULL;
