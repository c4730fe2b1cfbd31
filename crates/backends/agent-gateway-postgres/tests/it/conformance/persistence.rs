//! The published suite of the persistence.
use std::sync::Arc;

use agent_gateway_core::{Result, ports::persistence::PersistenceBackend};
use agent_gateway_postgres::{PostgresBackend, PostgresConfig};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

use crate::it::world::World;

/// Where the tables of a case are.
enum Tables {
    /// In a schema that is named.
    Named,
    /// In the schema that the server chooses, under a prefix.
    Prefixed,
    /// In a schema that is named, under a prefix.
    Both,
}

impl Tables {
    fn config(&self, world: &World) -> PostgresConfig {
        match self {
            Self::Named => world.config(),
            Self::Prefixed => {
                let url = format!("{}&options[search_path]={}", world.hasty_url(), world.schema);
                PostgresConfig::parse(&url).unwrap().pool_size(3).max_overflow(0).table_prefix("gw_")
            }
            Self::Both => world.config().table_prefix("gw_"),
        }
    }

    async fn open(&self, world: &World) -> Result<Arc<dyn PersistenceBackend>> {
        let store = PostgresBackend::open(self.config(world)).await?;
        store.prepare().await?;
        Ok(Arc::new(store))
    }
}

#[async_trait]
impl Fixture<dyn PersistenceBackend> for Tables {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, World)> {
        let world = World::fresh().await?;
        if matches!(self, Self::Prefixed) {
            world.run("CREATE SCHEMA {s}").await;
        }
        Ok((self.open(&world).await?, world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn PersistenceBackend>>> {
        Ok(Some(self.open(world).await?))
    }
}

mod named {
    agent_gateway_testkit::persistence_suite!(super::Tables::Named);
}

mod prefixed {
    agent_gateway_testkit::persistence_suite!(super::Tables::Prefixed);
}

mod both {
    agent_gateway_testkit::persistence_suite!(super::Tables::Both);
}
