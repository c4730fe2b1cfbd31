use agent_gateway_core::{
    Error, Result,
    agent::Activation,
    id::ConnectionId,
    ports::persistence::{Connection, ConnectionStore, ConnectionTransport},
};
use async_trait::async_trait;

use super::{Stores, affected, selected};
use crate::{Database, RowExt, Statement, Value, select::Select};

const COLUMNS: &str = "id, name, transport, command, args, url, enabled, encrypted_env, encrypted_headers, \
                       encrypted_credentials, created_at, updated_at";
/// The most servers that a list returns.
const MAX_LISTED: i64 = 1_000;

#[async_trait]
impl<D: Database> ConnectionStore for Stores<D> {
    async fn create(&self, connection: &Connection) -> Result<()> {
        let text = format!(
            "INSERT INTO {{p}}mcp_servers ({COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING"
        );
        let created = self.write_one(Statement::new(self.0.names(), &text, values(connection)?)).await?;
        if created.affected == 0 { Err(taken(connection)) } else { Ok(()) }
    }

    async fn update(&self, connection: &Connection) -> Result<()> {
        let names = self.0.names();
        let mut args = values(connection)?;
        // `created_at` stays as it is; `updated_at` moves to its place.
        args.remove(10);
        let update = Statement::new(
            names,
            "UPDATE {p}mcp_servers SET name = $2, transport = $3, command = $4, args = $5, url = $6, enabled = $7, \
             encrypted_env = $8, encrypted_headers = $9, encrypted_credentials = $10, updated_at = $11 WHERE id = $1 \
             AND NOT EXISTS (SELECT 1 FROM {p}mcp_servers AS other WHERE other.name = $2 AND other.id <> $1)",
            args,
        );
        let known = Statement::new(
            names,
            "SELECT count(*) AS known FROM {p}mcp_servers WHERE id = $1",
            vec![connection.id.as_str().into()],
        );
        let effects = self.0.write(vec![update, known]).await?;
        if affected(&effects, 0)? > 0 {
            return Ok(());
        }
        Err(match selected(&effects, 1, "known")? {
            Some(0) | None => Error::not_found("no such connection").with("connection", &connection.id),
            Some(_) => taken(connection),
        })
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>> {
        let select = select().filter("id = ?", [id.as_str().into()]).all(self.0.names());
        self.0.read(select).await?.first().map(connection).transpose()
    }

    async fn list(&self) -> Result<Vec<Connection>> {
        let select = select().first(self.0.names(), "created_at, id", MAX_LISTED);
        self.0.read(select).await?.iter().map(connection).collect()
    }

    async fn delete(&self, id: &ConnectionId) -> Result<bool> {
        let text = "DELETE FROM {p}mcp_servers WHERE id = $1";
        let deleted = self.write_one(Statement::new(self.0.names(), text, vec![id.as_str().into()])).await?;
        Ok(deleted.affected > 0)
    }
}

fn select() -> Select {
    Select::new(&format!("SELECT {COLUMNS} FROM {{p}}mcp_servers"))
}

fn taken(connection: &Connection) -> Error {
    Error::already_exists("the connection's id or name is taken").with("name", &connection.name)
}

fn values(connection: &Connection) -> Result<Vec<Value>> {
    let (transport, command, args, url) = match &connection.transport {
        ConnectionTransport::Stdio { command, args } => {
            ("stdio", command.as_str().into(), Value::json(args)?, Value::Null)
        }
        ConnectionTransport::StreamableHttp { url } => {
            ("streamable_http", Value::Null, Value::Null, url.as_str().into())
        }
    };
    Ok(vec![
        connection.id.as_str().into(),
        connection.name.as_str().into(),
        transport.into(),
        command,
        args,
        url,
        connection.activation.is_active().into(),
        connection.sealed_env.as_deref().into(),
        connection.sealed_headers.as_deref().into(),
        connection.sealed_credentials.as_deref().into(),
        connection.created_at.into(),
        connection.updated_at.into(),
    ])
}

fn connection<R: RowExt>(row: &R) -> Result<Connection> {
    let transport = match row.need_text("transport")?.as_str() {
        "stdio" => ConnectionTransport::Stdio {
            command: row.text("command")?.unwrap_or_default(),
            args: row.json("args")?.unwrap_or_default(),
        },
        "streamable_http" => {
            ConnectionTransport::StreamableHttp { url: row.text("url")?.unwrap_or_default() }
        }
        other => {
            return Err(Error::unexpected("a stored transport cannot be read").with("transport", other));
        }
    };
    let mut connection = Connection::new(
        row.need_word("id")?,
        row.need_text("name")?,
        transport,
        row.need_time("created_at")?,
    );
    connection.activation = Activation::from_flag(row.flag("enabled")?.unwrap_or(true));
    connection.sealed_env = row.text("encrypted_env")?;
    connection.sealed_headers = row.text("encrypted_headers")?;
    connection.sealed_credentials = row.text("encrypted_credentials")?;
    connection.updated_at = row.time("updated_at")?;
    Ok(connection)
}
