-- Streams, conversations and recovery: the request behind an idempotency key, the process that sees a run through, turns
-- that follow each other, drafts of turns under way.
ALTER TABLE {p}executions ADD COLUMN idempotency_fingerprint TEXT;
ALTER TABLE {p}executions ADD COLUMN instance TEXT;
-- What an earlier release left unfinished belongs to a process that is gone.
UPDATE {p}executions SET instance = 'before the third migration' WHERE status IN ('queued', 'running');
-- The conversation, while the execution is its unfinished turn. Rows that were there before hold none: what an earlier
-- process left unfinished stops no conversation.
ALTER TABLE {p}executions ADD COLUMN turn_of TEXT;
CREATE UNIQUE INDEX ix_{x}executions_turn ON {p}executions (turn_of) WHERE turn_of IS NOT NULL;
CREATE INDEX ix_{x}executions_instance ON {p}executions (instance, created_at, id) WHERE instance IS NOT NULL;
CREATE INDEX ix_{x}executions_keyed ON {p}executions (created_at, id) WHERE idempotency_key IS NOT NULL;

CREATE TABLE {p}execution_drafts (
    execution_id TEXT NOT NULL,
    after_entry BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (execution_id, after_entry, byte_offset)
){clustered};

CREATE TABLE {p}instances (
    id TEXT PRIMARY KEY NOT NULL,
    alive_until {time} NOT NULL
){clustered};

ALTER TABLE {p}conversations ADD COLUMN turn_count BIGINT NOT NULL DEFAULT 0;
UPDATE {p}conversations SET turn_count = (
    SELECT count(*) FROM {p}conversation_messages AS message
    WHERE message.conversation_id = {p}conversations.conversation_id AND message.role = 'user'
);
