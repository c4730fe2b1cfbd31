//! MCP servers and their sealed secrets.
use std::collections::HashMap;

use async_trait::async_trait;

use super::Table;
use crate::{
    Error, Result,
    id::ConnectionId,
    ports::persistence::{Connection, ConnectionStore},
};

/// The most servers that a list returns.
const MAX_LISTED: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Rows(HashMap<ConnectionId, Connection>);

impl Rows {
    fn check_name(&self, connection: &Connection) -> Result<()> {
        let taken = |other: &Connection| other.name == connection.name && other.id != connection.id;
        if self.0.values().any(taken) {
            return Err(Error::already_exists("the server name is taken").with("name", &connection.name));
        }
        Ok(())
    }
}

#[async_trait]
impl ConnectionStore for Table<Rows> {
    async fn create(&self, connection: &Connection) -> Result<()> {
        let mut rows = self.rows()?;
        if rows.0.contains_key(&connection.id) {
            return Err(
                Error::already_exists("the connection id is taken").with("connection", &connection.id)
            );
        }
        rows.check_name(connection)?;
        self.check_room(rows.0.len(), "connections")?;
        rows.0.insert(connection.id.clone(), connection.clone());
        Ok(())
    }

    async fn update(&self, connection: &Connection) -> Result<()> {
        let mut rows = self.rows()?;
        let Some(created_at) = rows.0.get(&connection.id).map(|stored| stored.created_at) else {
            return Err(Error::not_found("no such connection").with("connection", &connection.id));
        };
        rows.check_name(connection)?;
        rows.0.insert(connection.id.clone(), Connection { created_at, ..connection.clone() });
        Ok(())
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>> {
        Ok(self.rows()?.0.get(id).cloned())
    }

    async fn list(&self) -> Result<Vec<Connection>> {
        let mut found: Vec<Connection> = self.rows()?.0.values().cloned().collect();
        found.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        found.truncate(MAX_LISTED);
        Ok(found)
    }

    async fn delete(&self, id: &ConnectionId) -> Result<bool> {
        Ok(self.rows()?.0.remove(id).is_some())
    }
}
