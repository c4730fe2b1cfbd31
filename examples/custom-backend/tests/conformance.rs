//! The published suites: what makes a store a store, and a queue a queue.
#[cfg(test)]
mod journal {
    use std::sync::Arc;

    use agent_gateway_core::{Result, ports::persistence::PersistenceBackend};
    use agent_gateway_testkit::Fixture;
    use async_trait::async_trait;
    use custom_backend::JournalStore;
    use tempfile::TempDir;

    /// Every case has a directory of its own, which is removed after it.
    struct Fresh;

    #[async_trait]
    impl Fixture<dyn PersistenceBackend> for Fresh {
        type Guard = TempDir;

        async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, TempDir)> {
            let directory = tempfile::tempdir().unwrap();
            let store = JournalStore::open(directory.path().join("journal")).await?;
            store.prepare().await?;
            Ok((Arc::new(store), directory))
        }

        async fn reopen(&self, directory: &TempDir) -> Result<Option<Arc<dyn PersistenceBackend>>> {
            let store = JournalStore::open(directory.path().join("journal")).await?;
            Ok(Some(Arc::new(store)))
        }
    }

    agent_gateway_testkit::persistence_suite!(Fresh);
}

#[cfg(test)]
mod spool {
    use std::sync::Arc;

    use agent_gateway_core::{Result, ports::queue::ExecutionQueue};
    use agent_gateway_testkit::Fixture;
    use async_trait::async_trait;
    use custom_backend::SpoolQueue;
    use tempfile::TempDir;

    struct Fresh;

    #[async_trait]
    impl Fixture<dyn ExecutionQueue> for Fresh {
        type Guard = TempDir;

        async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, TempDir)> {
            let directory = tempfile::tempdir().unwrap();
            let queue = SpoolQueue::open(directory.path()).await?;
            queue.prepare().await?;
            Ok((Arc::new(queue), directory))
        }

        async fn reopen(&self, directory: &TempDir) -> Result<Option<Arc<dyn ExecutionQueue>>> {
            Ok(Some(Arc::new(SpoolQueue::open(directory.path()).await?)))
        }
    }

    agent_gateway_testkit::queue_suite!(Fresh);
}
