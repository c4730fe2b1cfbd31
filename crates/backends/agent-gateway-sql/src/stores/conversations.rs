use agent_gateway_core::{
    Error, JsonMap, Result, Timestamp,
    id::ConversationId,
    message::Message,
    page::{Page, PageRequest},
    ports::persistence::{Conversation, ConversationMessage, ConversationQuery, ConversationStore},
    principal::Visibility,
};
use async_trait::async_trait;

use super::{Stores, affected, selected};
use crate::{Database, RowExt, Statement, Value, cursor, messages, select::Select};

const LIST: &str = "conversations";
const COLUMNS: &str = "conversation_id, agent_id, user_id, title, summary, message_count, turn_count, metadata, created_at, updated_at";

#[async_trait]
impl<D: Database> ConversationStore for Stores<D> {
    async fn create(&self, conversation: &Conversation) -> Result<()> {
        let text = format!(
            "INSERT INTO {{p}}conversations ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7, $8) \
             ON CONFLICT DO NOTHING"
        );
        let args = vec![
            conversation.id.as_str().into(),
            conversation.agent_id.as_str().into(),
            Value::word(conversation.user_id.as_ref()),
            conversation.title.as_deref().into(),
            conversation.summary.as_deref().into(),
            Value::json(&conversation.metadata)?,
            conversation.created_at.into(),
            conversation.updated_at.into(),
        ];
        let created = self.write_one(Statement::new(self.0.names(), &text, args)).await?;
        if created.affected > 0 {
            return Ok(());
        }
        Err(Error::already_exists("the conversation id is taken").with("conversation", &conversation.id))
    }

    async fn get(&self, id: &ConversationId, who: &Visibility) -> Result<Option<Conversation>> {
        let select = select().filter("conversation_id = ?", [id.as_str().into()]).visible("user_id = ?", who);
        self.0.read(select.all(self.0.names())).await?.first().map(conversation).transpose()
    }

    async fn list(
        &self,
        query: &ConversationQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Conversation>> {
        let mut select = select()
            .filter_some("agent_id = ?", query.agent_id.as_ref().map(|id| id.as_str()))
            .visible("user_id = ?", who);
        if let Some(after) = &page.after {
            let (at, id) = cursor::read(LIST, after)?;
            select = select.filter("(updated_at, conversation_id) < (?, ?)", [at.into(), id.as_str().into()]);
        }
        let statement = select.page(self.0.names(), "updated_at DESC, conversation_id DESC", page.limit());
        let found: Vec<Conversation> =
            self.0.read(statement).await?.iter().map(conversation).collect::<Result<_>>()?;
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, last.updated_at, last.id.as_str())))
    }

    async fn append(
        &self,
        id: &ConversationId,
        expected: u64,
        said: &[Message],
        at: Timestamp,
    ) -> Result<u64> {
        let names = self.0.names();
        let count = expected.saturating_add(said.len() as u64);
        let key: Value = id.as_str().into();
        // Nothing grows unless the conversation is as the caller last saw it. The row of the conversation comes first: it
        // keeps other transactions away until this one ends.
        let mut program = vec![Statement::new(
            names,
            "UPDATE {p}conversations SET message_count = $2, turn_count = turn_count + $3, updated_at = $4 \
             WHERE conversation_id = $1 AND message_count = $5",
            vec![
                key.clone(),
                Value::number(count)?,
                Value::number(messages::turns(said))?,
                at.into(),
                Value::number(expected)?,
            ],
        )];
        for (sequence, message) in (expected.saturating_add(1)..).zip(said) {
            let [role, content, metadata] = messages::values(message)?;
            let place = format!("{id}:{sequence}").as_str().into();
            let (sequence, count) = (Value::number(sequence)?, Value::number(count)?);
            let args = vec![place, key.clone(), sequence, role, content, metadata, at.into(), count];
            // Where another caller made it grow to the same count, the places are taken.
            program.push(Statement::new(
                names,
                "INSERT INTO {p}conversation_messages \
                 (message_id, conversation_id, sequence, role, content, metadata_json, created_at) \
                 SELECT $1, conversation_id, $3, $4, $5, $6, $7 FROM {p}conversations \
                 WHERE conversation_id = $2 AND message_count = $8 ON CONFLICT DO NOTHING",
                args,
            ));
        }
        program.push(Statement::new(
            names,
            "SELECT message_count FROM {p}conversations WHERE conversation_id = $1",
            vec![key],
        ));
        let effects = self.0.write(program).await?;
        if affected(&effects, 0)? > 0 {
            return Ok(count);
        }
        Err(match selected(&effects, said.len() + 1, "message_count")? {
            None => unknown(id),
            Some(found) => Error::conflict("the conversation has grown meanwhile")
                .with("conversation", id)
                .with("expected", expected)
                .with("messages", found),
        })
    }

    async fn tail(&self, id: &ConversationId, limit: u32) -> Result<Vec<ConversationMessage>> {
        let select = select_messages(id).first(self.0.names(), "sequence DESC", limit.into());
        let mut found: Vec<_> =
            self.0.read(select).await?.iter().map(messages::read).collect::<Result<_>>()?;
        found.reverse();
        Ok(found)
    }

    async fn messages(
        &self,
        id: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ConversationMessage>> {
        let behind = i64::try_from(after).unwrap_or(i64::MAX);
        let select = select_messages(id).filter("sequence > ?", [Value::Int(behind)]);
        let rows = self.0.read(select.first(self.0.names(), "sequence", limit.into())).await?;
        rows.iter().map(messages::read).collect()
    }

    async fn set_metadata(&self, id: &ConversationId, metadata: &JsonMap) -> Result<()> {
        let text = "UPDATE {p}conversations SET metadata = $2 WHERE conversation_id = $1";
        let args = vec![id.as_str().into(), Value::json(metadata)?];
        let updated = self.write_one(Statement::new(self.0.names(), text, args)).await?;
        if updated.affected == 0 { Err(unknown(id)) } else { Ok(()) }
    }

    async fn delete(&self, id: &ConversationId, who: &Visibility) -> Result<bool> {
        let names = self.0.names();
        let owned = Select::new("SELECT conversation_id FROM {p}conversations")
            .filter("conversation_id = ?", [id.as_str().into()])
            .visible("user_id = ?", who)
            .all(names);
        let delete = |table: &str| Statement {
            text: format!("DELETE FROM {} WHERE conversation_id IN ({})", names.table(table), owned.text)
                .into(),
            args: owned.args.clone(),
        };
        let program = vec![delete("conversation_messages"), delete("conversations")];
        Ok(affected(&self.0.write(program).await?, 1)? > 0)
    }
}

fn select() -> Select {
    Select::new(&format!("SELECT {COLUMNS} FROM {{p}}conversations"))
}

fn select_messages(id: &ConversationId) -> Select {
    let text = format!("SELECT sequence, {}, created_at FROM {{p}}conversation_messages", messages::COLUMNS);
    Select::new(&text).filter("conversation_id = ?", [id.as_str().into()])
}

fn unknown(id: &ConversationId) -> Error {
    Error::not_found("no such conversation").with("conversation", id)
}

fn conversation<R: RowExt>(row: &R) -> Result<Conversation> {
    let created_at = row.need_time("created_at")?;
    let mut found = Conversation::new(
        row.need_word("conversation_id")?,
        row.need_word("agent_id")?,
        row.word("user_id")?,
        created_at,
    );
    found.title = row.text("title")?;
    found.summary = row.text("summary")?;
    found.message_count = row.count("message_count")?;
    found.turn_count = row.count("turn_count")?;
    found.metadata = row.map("metadata")?;
    found.updated_at = row.time("updated_at")?.unwrap_or(created_at);
    Ok(found)
}
