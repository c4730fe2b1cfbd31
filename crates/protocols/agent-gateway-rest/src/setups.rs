//! `/v1/agents/{agent_id}/setup-schema` and `/config`: a user's own settings of a personal agent.
use std::{borrow::Cow, collections::BTreeMap};

use agent_gateway_core::{JsonMap, ports::persistence::SetupCompletion};
use agent_gateway_http::{Access, ApiError, Caller, JsonObject, Operation, PathId, Routes, Tag, Word, json};
use agent_gateway_runtime::{MASK, Setups, ShownSetup};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AdditionalProperties, Type},
    },
};

use crate::time::{self, Instant};

/// What a user may set.
#[derive(Debug, Serialize, ToSchema)]
struct SetupSchemaInfo<'a> {
    /// The agent.
    agent_id: &'a str,
    /// Always `personal`.
    scope: &'static str,
    /// The JSON Schema of the settings. Fields marked `sensitive` are stored sealed and never shown.
    setup_schema: Option<&'a Value>,
}

/// Settings that were saved.
#[derive(Debug, Serialize, ToSchema)]
struct SavedInfo<'a> {
    /// Whose they are.
    user_id: &'a str,
    /// The agent.
    agent_id: &'a str,
    /// Whether everything is there that the agent needs.
    setup_completed: bool,
}

/// A user's settings.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigInfo<'a> {
    /// Whose they are.
    user_id: &'a str,
    /// The agent.
    agent_id: &'a str,
    /// What the user wants of the agent, in words.
    instructions: Option<&'a str>,
    /// The settings that are no secrets.
    #[schema(value_type = Object)]
    config_values: &'a JsonMap,
    /// The secrets that are stored, each as `***`.
    secrets: BTreeMap<&'a str, &'static str>,
    /// Whether everything is there that the agent needs.
    setup_completed: bool,
    /// When first saved.
    #[schema(schema_with = time::schema)]
    created_at: Option<Instant>,
    /// When last saved.
    #[schema(schema_with = time::schema)]
    updated_at: Option<Instant>,
}

/// Settings that are gone.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigDeleted {
    /// Always true.
    deleted: bool,
}

/// What a user sends: `instructions`, and the fields of the agent's `setup_schema`.
#[derive(Debug)]
struct ConfigRequest;

impl ToSchema for ConfigRequest {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ConfigRequest")
    }
}

impl PartialSchema for ConfigRequest {
    fn schema() -> RefOr<Schema> {
        let instructions = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(agent_gateway_runtime::MAX_INSTRUCTIONS_CHARS))
            .description(Some("What the user wants of the agent, in words"));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("Beside `instructions`, the fields of the agent's `setup_schema`"))
            .property("instructions", instructions)
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let configure = Access::Scope("agents:configure");
    let schema = Operation::new("get_setup_schema", Tag::UserConfig, "Read what a user may set of an agent")
        .returns::<SetupSchemaInfo<'_>>(200, "The schema of the settings")
        .fails(400, "`not_personal_agent`")
        .fails(404, "`agent_not_found`");
    let save = Operation::new("save_agent_config", Tag::UserConfig, "Save one's settings of an agent")
        .description(
            "They replace those before. A secret that is left out, or sent as `***`, stays as it is; `null` removes it.",
        )
        .body::<ConfigRequest>()
        .returns::<SavedInfo<'_>>(200, "They are saved")
        .fails(400, "`not_personal_agent`")
        .fails(404, "`agent_not_found`")
        .fails(422, "`validation_failed`")
        .fails(503, "`secret_key_missing`, `secrets_unreadable`, `service_unavailable`");
    let read = Operation::new("get_agent_config", Tag::UserConfig, "Read one's settings of an agent")
        .returns::<ConfigInfo<'_>>(200, "The settings; of secrets the names alone")
        .fails(400, "`not_personal_agent`")
        .fails(404, "`config_not_found`, `agent_not_found`");
    let remove = Operation::new("delete_agent_config", Tag::UserConfig, "Delete one's settings of an agent")
        .returns::<ConfigDeleted>(200, "They are gone")
        .fails(400, "`not_personal_agent`")
        .fails(404, "`config_not_found`, `agent_not_found`");
    routes
        .get("/v1/agents/{agent_id}/setup-schema", Access::Scope("agents:read"), get_schema, schema)
        .post("/v1/agents/{agent_id}/config", configure, post, save)
        .get("/v1/agents/{agent_id}/config", configure, get, read)
        .delete("/v1/agents/{agent_id}/config", configure, delete, remove)
}

async fn get_schema(State(setups): State<Setups>, id: PathId<Word>) -> Result<Response, ApiError> {
    let agent = setups.agent(id.as_str())?;
    let setup_schema = agent.setup_schema.as_deref();
    let body = SetupSchemaInfo { agent_id: agent.id.as_str(), scope: "personal", setup_schema };
    Ok(json(StatusCode::OK, None, &body))
}

async fn post(
    State(setups): State<Setups>,
    Caller(caller): Caller,
    id: PathId<Word>,
    JsonObject(body): JsonObject,
) -> Result<Response, ApiError> {
    let saved = setups.save(id.as_str(), body, &caller).await?;
    let body = SavedInfo {
        user_id: saved.user_id.as_str(),
        agent_id: saved.agent_id.as_str(),
        setup_completed: saved.completion == SetupCompletion::Complete,
    };
    Ok(json(StatusCode::OK, None, &body))
}

async fn get(
    State(setups): State<Setups>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    let found = setups.get(id.as_str(), &caller).await?;
    let found = found.ok_or_else(|| not_found(id.as_str()))?;
    Ok(json(StatusCode::OK, None, &info(&found)))
}

async fn delete(
    State(setups): State<Setups>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    if setups.delete(id.as_str(), &caller).await? {
        return Ok(json(StatusCode::OK, None, &ConfigDeleted { deleted: true }));
    }
    Err(not_found(id.as_str()))
}

fn info(setup: &ShownSetup) -> ConfigInfo<'_> {
    ConfigInfo {
        user_id: setup.user_id.as_str(),
        agent_id: setup.agent_id.as_str(),
        instructions: setup.instructions.as_deref(),
        config_values: &setup.config_values,
        secrets: setup.secrets.iter().map(|name| (name.as_str(), MASK)).collect(),
        setup_completed: setup.completion == SetupCompletion::Complete,
        created_at: Some(Instant(setup.created_at)),
        updated_at: Some(Instant(setup.updated_at)),
    }
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found("config_not_found", "Config", id)
}
