-- The queue of detached executions: a row for every job that is not settled. `due_at` is when it may be handed out (again):
-- when it was accepted, when its delay is over, or when the lease under `token` runs out. So one index finds the next job
-- among any number of waiting, delayed and leased ones.
CREATE TABLE {p}execution_queue (
    execution_id TEXT PRIMARY KEY NOT NULL,
    place BIGINT GENERATED ALWAYS AS IDENTITY,
    due_at TIMESTAMPTZ NOT NULL,
    token TEXT,
    holder TEXT,
    deliveries INTEGER NOT NULL DEFAULT 0,
    payload TEXT NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL DEFAULT now()
) WITH (
    fillfactor = 70,
    -- Every job leaves dead rows behind; they must go long before they are a fifth of the table.
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX ix_{x}execution_queue_due ON {p}execution_queue (due_at, place);

-- Jobs that were given up, the newest of them.
CREATE TABLE {p}execution_queue_dead (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    payload TEXT NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    died_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Locks that processes share, those that are held. Their fences come out of one sequence, so they rise although rows go.
CREATE TABLE {p}locks (
    name TEXT PRIMARY KEY NOT NULL,
    token TEXT NOT NULL,
    fence BIGINT GENERATED ALWAYS AS IDENTITY,
    held_until TIMESTAMPTZ NOT NULL
);
