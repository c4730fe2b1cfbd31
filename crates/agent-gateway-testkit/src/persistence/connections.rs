//! MCP servers.
use agent_gateway_core::{
    ErrorKind,
    agent::Activation,
    id::ConnectionId,
    ports::persistence::{Connection, ConnectionTransport, PersistenceBackend},
};

use super::at;
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure, ensure_eq, expect_kind},
};

fn http(name: &str, second: i64) -> Result<Connection, Finding> {
    let transport = ConnectionTransport::StreamableHttp { url: "https://example.org/mcp".to_owned() };
    Ok(Connection::new(ConnectionId::generate(), name, transport, at(second)?))
}

/// One with something in every field.
fn full(name: &str) -> Result<Connection, Finding> {
    let mut connection = http(name, 1)?;
    connection.transport = ConnectionTransport::Stdio {
        command: "npx".to_owned(),
        args: vec!["-y".to_owned(), "some server".to_owned()],
    };
    connection.activation = Activation::Inactive;
    connection.sealed_env = Some("v1.env".to_owned());
    connection.sealed_headers = Some("v1.headers".to_owned());
    connection.sealed_credentials = Some("v1.credentials".to_owned());
    connection.updated_at = Some(at(2)?);
    Ok(connection)
}

/// Every field is kept, also the empty ones, for both transports.
pub async fn a_connection_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for connection in [full("tools")?, http("search", 1)?] {
        store.connections().create(&connection).await?;
        ensure_eq!(store.connections().get(&connection.id).await?, Some(connection), "the stored connection");
    }
    ensure_eq!(store.connections().get(&ConnectionId::generate()).await?, None, "an unknown connection");
    Ok(())
}

/// Neither an id nor a name is used twice.
pub async fn a_taken_connection_is_refused(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = full("tools")?;
    store.connections().create(&first).await?;
    let mut same_id = http("other", 1)?;
    same_id.id = first.id.clone();
    for second in [same_id, http("tools", 1)?] {
        let taken = store.connections().create(&second).await;
        expect_kind(taken, ErrorKind::AlreadyExists, "creating a connection with a taken id or name")?;
    }
    ensure_eq!(store.connections().list().await?, [first], "the connections after refused ones");
    Ok(())
}

/// Everything else is replaced.
pub async fn an_update_keeps_when_it_was_made(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = full("tools")?;
    store.connections().create(&first).await?;
    for name in ["tools", "renamed"] {
        let mut second = http(name, 50)?;
        second.id = first.id.clone();
        second.updated_at = Some(at(60)?);
        store.connections().update(&second).await?;
        second.created_at = first.created_at;
        ensure_eq!(store.connections().get(&first.id).await?, Some(second), "the updated connection");
    }
    let unknown = store.connections().update(&http("unknown", 1)?).await;
    expect_kind(unknown, ErrorKind::NotFound, "updating an unknown connection")
}

/// A name that another one has stays that one's.
pub async fn an_update_cannot_take_a_name(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (first, second) = (http("first", 1)?, http("second", 2)?);
    store.connections().create(&first).await?;
    store.connections().create(&second).await?;
    let mut renamed = second.clone();
    renamed.name.clone_from(&first.name);
    let taken = store.connections().update(&renamed).await;
    expect_kind(taken, ErrorKind::AlreadyExists, "taking another connection's name")?;
    ensure_eq!(
        store.connections().list().await?,
        [first, second],
        "the connections after the refused update"
    );
    Ok(())
}

/// Whatever their names are.
pub async fn connections_come_in_the_order_they_were_made(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for (name, second) in [("b", 3), ("a", 2), ("c", 1)] {
        store.connections().create(&http(name, second)?).await?;
    }
    let found = store.connections().list().await?;
    let names: Vec<&str> = found.iter().map(|connection| connection.name.as_str()).collect();
    ensure_eq!(names, ["c", "a", "b"], "the names in the order in which the connections were made");
    Ok(())
}

/// Its name is free again.
pub async fn a_deleted_connection_is_gone(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = full("tools")?;
    store.connections().create(&first).await?;
    ensure!(store.connections().delete(&first.id).await?, "the connection should be deleted");
    ensure!(!store.connections().delete(&first.id).await?, "it cannot be deleted twice");
    ensure_eq!(store.connections().get(&first.id).await?, None, "the deleted connection");
    store.connections().create(&http("tools", 9)?).await?;
    Ok(())
}
