//! What a route does, for the API's description.
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

/// The chapters of the description, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// Is it well?
    Health,
    /// Agents and how to run them.
    Agents,
    /// Conversations with agents, turn by turn.
    Chat,
    /// Chat sessions.
    Sessions,
    /// Stored conversations.
    Conversations,
    /// Runs and how they ended.
    Executions,
    /// Tool calls that wait for a person.
    Approvals,
    /// Runs by the clock.
    Schedules,
    /// Tools.
    Tools,
    /// Skills.
    Skills,
    /// Users' settings of personal agents.
    UserConfig,
    /// Who was told what.
    Notifications,
    /// For operators.
    Admin,
}

impl Tag {
    /// The chapter's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "Health",
            Self::Agents => "Agents",
            Self::Chat => "Chat",
            Self::Sessions => "Sessions",
            Self::Conversations => "Conversations",
            Self::Executions => "Executions",
            Self::Approvals => "Approvals",
            Self::Schedules => "Schedules",
            Self::Tools => "Tools",
            Self::Skills => "Skills",
            Self::UserConfig => "User Config",
            Self::Notifications => "Notifications",
            Self::Admin => "Admin",
        }
    }
}

/// What a route does, takes and answers. Parameters of the path are read from the path.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) id: &'static str,
    pub(crate) tag: Tag,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) query: Vec<Value>,
    pub(crate) body: Option<Value>,
    pub(crate) responses: Vec<(u16, Value)>,
    pub(crate) failures: Vec<(u16, &'static str)>,
    pub(crate) schemas: Vec<(String, Value)>,
    /// What the events of its stream are, where it has one.
    pub(crate) streams: Option<&'static str>,
}

impl Operation {
    /// An operation with a unique id such as `list_agents`, in a chapter, with one line that says what it does.
    #[must_use]
    pub fn new(id: &'static str, tag: Tag, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            description: "",
            query: Vec::new(),
            body: None,
            responses: Vec::new(),
            failures: Vec::new(),
            schemas: Vec::new(),
            streams: None,
        }
    }

    /// With more than the one line.
    #[must_use]
    pub fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    /// Takes a query parameter that may be absent.
    #[must_use]
    pub fn query<T: ToSchema>(mut self, name: &'static str, description: &'static str) -> Self {
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        self.query.push(json!({
            "name": name, "in": "query", "required": false, "description": description, "schema": schema,
        }));
        self
    }

    /// Takes a header that may be absent.
    #[must_use]
    pub fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.query.push(json!({
            "name": name, "in": "header", "required": false, "description": description,
            "schema": {"type": "string"},
        }));
        self
    }

    /// May answer with server-sent events instead of what it returns otherwise.
    #[must_use]
    pub fn streams(mut self, description: &'static str) -> Self {
        self.streams = Some(description);
        self
    }

    /// Takes a body of this type.
    #[must_use]
    pub fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.refer::<T>());
        self
    }

    /// Answers with this type.
    #[must_use]
    pub fn returns<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema = self.refer::<T>();
        self.responses.push((status, response(description, &schema)));
        self
    }

    /// Answers with a list of this type.
    #[must_use]
    pub fn returns_list<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let schema = json!({"type": "array", "items": self.refer::<T>()});
        self.responses.push((status, response(description, &schema)));
        self
    }

    /// May answer without a body.
    #[must_use]
    pub fn empty(mut self, status: u16, description: &'static str) -> Self {
        self.responses.push((status, json!({ "description": description })));
        self
    }

    /// May answer with the error envelope and this status; the description names the codes.
    #[must_use]
    pub fn fails(mut self, status: u16, description: &'static str) -> Self {
        self.failures.push((status, description));
        self
    }

    /// Takes a type and all that it refers to among the schemas.
    fn refer<T: ToSchema>(&mut self) -> Value {
        let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            self.schemas.push((name, serde_json::to_value(schema).unwrap_or_default()));
        }
        reference(&T::name())
    }
}

pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

pub(crate) fn response(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}
