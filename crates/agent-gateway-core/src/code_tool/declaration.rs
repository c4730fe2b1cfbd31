//! What is said of a tool before its function is known.
use schemars::JsonSchema;
use serde_json::Value;

use super::{
    function::{Call, FunctionTool},
    parameter::{Parameter, Property},
    schema,
};
use crate::{
    Error, JsonMap, Result,
    id::ToolName,
    tool::{Approval, ToolAccess, ToolRetry, ToolSource, ToolSpec},
};

/// A tool without its function.
#[derive(Debug)]
pub struct Declaration {
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
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
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
    #[must_use]
    pub fn parameter<T>(mut self, parameter: Parameter<T>) -> Self {
        if let Parameters::Each(properties) = &mut self.parameters {
            properties.push(parameter.property);
        }
        self
    }

    /// With the fields of a struct as parameters.
    #[must_use]
    pub fn arguments<T: JsonSchema>(mut self) -> Self {
        self.parameters = Parameters::All(schema::of_struct::<T>());
        self
    }

    /// With this JSON Schema of the arguments.
    #[must_use]
    pub fn schema(mut self, schema: Value) -> Self {
        self.parameters = Parameters::All(match schema {
            Value::Object(_) => Ok(schema),
            _ => Err(Error::invalid("the parameters of a tool are a JSON Schema, which is a JSON object")),
        });
        self
    }

    /// For these agents alone.
    #[must_use]
    pub fn allowed_agents(mut self, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.access = ToolAccess::Only(agents.into_iter().map(Into::into).collect());
        self
    }

    /// A person must agree before each call.
    #[must_use]
    pub fn require_approval(mut self) -> Self {
        self.approval = Approval::Required;
        self
    }

    /// A call that a crash cut off is not made again.
    #[must_use]
    pub fn never_retry(mut self) -> Self {
        self.retry = ToolRetry::Never;
        self
    }

    /// The tool that calls `call`, or what is wrong with the declaration.
    pub fn call(self, call: Box<Call>) -> Result<FunctionTool> {
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
