//! PostgreSQL for agent-gateway: every store, an execution queue and a lock on one pool.
