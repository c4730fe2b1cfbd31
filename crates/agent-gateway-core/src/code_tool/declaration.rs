//! What is said of a tool before its function is known.
use schemars::JsonSchema;
use serde_json::Value;

use super::{
    function::{Call, FunctionTool},
    parameter::Property,
    schema,
};
use crate::{
    Error, JsonMap, Result,
    id::ToolName,
    tool::{Approval, ToolAccess, ToolRetry, ToolSource, ToolSpec},
};

/// A tool without its function.
#[derive(Debug)]
pub(super) struct Declaration {
    name: String,
    description: String,
    parameters: Parameters,
    access: ToolAccess,
    approval: Approval,
    retry: ToolRetry,
}

/// What the model is told of the arguments.
#[derive(Debug)]
enum Parameters {
    /// One property for each.
    Each(Vec<Property>),
    /// This schema, if it is one.
    All(Result<Value>),
}

impl Declaration {
    /// A tool without parameters, for every agent.
    pub(super) fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: Parameters::Each(Vec::new()),
            access: ToolAccess::Everyone,
            approval: Approval::NotNeeded,
            retry: ToolRetry::Safe,
        }
    }

    /// With one more parameter.
    pub(super) fn parameter(mut self, property: Property) -> Self {
        if let Parameters::Each(properties) = &mut self.parameters {
            properties.push(property);
        }
        self
    }

    /// With the fields of a struct as parameters.
    pub(super) fn arguments<T: JsonSchema>(mut self) -> Self {
        self.parameters = Parameters::All(schema::of_struct::<T>());
        self
    }

    /// With this JSON Schema of the arguments.
    pub(super) fn schema(mut self, schema: Value) -> Self {
        self.parameters = Parameters::All(match schema {
            Value::Object(_) => Ok(schema),
            _ => Err(Error::invalid("the parameters of a tool are a JSON Schema, which is a JSON object")),
        });
        self
    }

    /// For these agents alone.
    pub(super) fn allowed_agents(mut self, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.access = ToolAccess::Only(agents.into_iter().map(Into::into).collect());
        self
    }

    /// A person must agree before each call.
    pub(super) fn require_approval(mut self) -> Self {
        self.approval = Approval::Required;
        self
    }

    /// A call that a crash cut off is not made again.
    pub(super) fn never_retry(mut self) -> Self {
        self.retry = ToolRetry::Never;
        self
    }

    /// The tool that calls `call`, or what is wrong with the declaration.
    pub(super) fn call(self, call: Box<Call>) -> Result<FunctionTool> {
        let name = ToolName::new(&self.name)?;
        let (parameters, defaults) = self.parameters.check().map_err(|error| error.with("tool", &name))?;
        let mut spec = ToolSpec::new(name, self.description, parameters, ToolSource::Code);
        spec.summary = spec.description.lines().next().unwrap_or_default().into();
        spec.access = self.access;
        spec.approval = self.approval;
        spec.retry = self.retry;
        Ok(FunctionTool::made(spec, defaults, call))
    }
}

impl Parameters {
    /// The schema, and the values of arguments that are left out.
    fn check(self) -> Result<(Value, JsonMap)> {
        let mut properties = match self {
            Self::All(schema) => return Ok((schema?, JsonMap::new())),
            Self::Each(properties) => properties,
        };
        for at in 0..properties.len() {
            std::mem::replace(&mut properties[at].check, Ok(()))?;
            let name = &properties[at].name;
            if properties[..at].iter().any(|earlier| earlier.name == *name) {
                return Err(Error::invalid(format!("there are two parameters named '{name}'")));
            }
        }
        Ok(schema::of_properties(properties))
    }
}
