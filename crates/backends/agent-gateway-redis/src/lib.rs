//! Redis for agent-gateway: an execution queue on streams, a lock and the shared rate limits.
