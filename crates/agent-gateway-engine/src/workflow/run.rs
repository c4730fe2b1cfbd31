//! Going through the steps of a workflow, as part of one call.
use std::{collections::HashMap, sync::Arc};

use agent_gateway_core::{
    JsonMap,
    execution::{LogEvent, StepPlace, ToolTurn},
    message::{Arguments, Message, ToolCall},
};
use futures::future::{BoxFuture, join_all};
use serde_json::{Value, json};

use super::{Action, Question, Step, StepCall, Workflow};
use crate::{
    call::{CallPlace, Called, Desk, Waiting, call_tool, refuse},
    guard::{Budget, Halt, count, left},
    turn::{Unanswered, ask_apart},
};

/// What steps came to in earlier attempts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done(HashMap<(Arc<str>, Arc<str>, u32), Value>);

impl Done {
    pub(crate) fn add(&mut self, place: &StepPlace, output: Value) {
        self.0.insert((place.call_id.clone(), place.step.clone(), place.item), output);
    }

    fn output(&self, place: &StepPlace) -> Option<&Value> {
        self.0.get(&(place.call_id.clone(), place.step.clone(), place.item))
    }
}

/// How far a workflow came.
#[derive(Debug)]
pub(crate) enum Gone {
    /// To its end, with this.
    Through(Value),
    /// To a step that waits for this.
    Waits(Vec<Waiting>),
}

/// Where a workflow stands.
#[derive(Clone, Copy)]
struct Walk<'a> {
    desk: &'a Desk<'a>,
    workflow: &'a Workflow,
    /// The model's call of the workflow.
    call_id: &'a Arc<str>,
    place: &'a CallPlace,
    input: &'a Value,
}

impl Workflow {
    /// Makes the steps in their order. What a step could not do is its output, and the next one follows.
    pub(crate) fn run<'a>(
        &'a self,
        desk: &'a Desk<'a>,
        arguments: &'a JsonMap,
        call_id: &'a Arc<str>,
        place: &'a CallPlace,
    ) -> BoxFuture<'a, Result<Gone, Halt>> {
        Box::pin(async move {
            let input = Value::Object(arguments.clone());
            let walk = Walk { desk, workflow: self, call_id, place, input: &input };
            let mut steps = Value::Object(JsonMap::new());
            let mut last = Value::Null;
            for step in &self.steps {
                match walk.make(step, &steps).await? {
                    Gone::Through(output) => last = output,
                    waits @ Gone::Waits(_) => return Ok(waits),
                }
                steps[&*step.name] = json!({"output": last});
            }
            Ok(Gone::Through(json!({"output": last, "steps": steps})))
        })
    }
}

impl Walk<'_> {
    async fn make(&self, step: &Step, steps: &Value) -> Result<Gone, Halt> {
        match &step.action {
            Action::Tool(call) => self.call(step, 0, call, steps).await,
            Action::FanOut(calls) => {
                let calls = calls.iter().zip(0..).map(|(call, item)| self.call(step, item, call, steps));
                let (mut outputs, mut waiting) = (Vec::new(), Vec::new());
                for gone in join_all(calls).await {
                    match gone? {
                        Gone::Through(output) => outputs.push(output),
                        Gone::Waits(what) => waiting.extend(what),
                    }
                }
                if waiting.is_empty() {
                    Ok(Gone::Through(Value::Array(outputs)))
                } else {
                    Ok(Gone::Waits(waiting))
                }
            }
            Action::Prompt(question) => self.ask(step, question, steps).await.map(Gone::Through),
        }
    }

    /// Calls a tool as any call is made, unless an earlier attempt has done it.
    async fn call(&self, step: &Step, item: u32, call: &StepCall, steps: &Value) -> Result<Gone, Halt> {
        let place = self.step_place(step, item);
        if let Some(output) = self.desk.done.output(&place) {
            return Ok(Gone::Through(output.clone()));
        }
        let (id, name) = (self.call_id(&place), call.name().into());
        let arguments = call.arguments(self.input, steps);
        let tool_call = |arguments| ToolCall { id, name, arguments: Arguments::Object(arguments) };
        let limits = &self.desk.run.limits;
        let budget = left(limits, count(self.desk.calls, 1));
        let turn = match arguments {
            Err(why) => refuse(self.desk, &tool_call(JsonMap::new()), &why, Some(place)).await?,
            Ok(arguments) => {
                let place = CallPlace { budget, within: Some(place), ..self.place.clone() };
                match call_tool(self.desk, call.tool(self.desk.run), &tool_call(arguments), place).await? {
                    Called::Answered(turn) => turn,
                    Called::Waits(what) => return Ok(Gone::Waits(what)),
                }
            }
        };
        Ok(Gone::Through(turn.output()))
    }

    /// Asks the agent's model, unless an earlier attempt has done it.
    async fn ask(&self, step: &Step, question: &Question, steps: &Value) -> Result<Value, Halt> {
        let (desk, place) = (self.desk, self.step_place(step, 0));
        if let Some(output) = desk.done.output(&place) {
            return Ok(output.clone());
        }
        let limits = &desk.run.limits;
        let is_spent = left(limits, count(desk.calls, 1)) == Budget::Spent;
        let answer = match question.text(self.input, steps) {
            Ok(_) if is_spent => {
                Err(format!("the limit of {} tool calls, steps included, is reached", limits.max_tool_calls))
            }
            Ok(text) => {
                let messages = [Message::system(question.system.clone()), Message::user(text)];
                let answer = ask_apart(desk.run, desk.ports, &messages).await;
                match answer {
                    Ok(turn) => Ok(turn),
                    Err(Unanswered::Halted(halt)) => return Err(halt),
                    Err(Unanswered::Failed(error, _)) => {
                        tracing::warn!(step = &*step.name, error = ?error, "the model failed in a workflow");
                        Err(format!("the model failed: {}", error.message()))
                    }
                }
            }
            Err(why) => Err(why),
        };
        match answer {
            Ok(mut turn) => {
                turn.within = Some(place);
                desk.questions.add(turn.clone());
                let output = Value::String(turn.text.to_string());
                desk.ports.record(LogEvent::ModelTurn(turn)).await?;
                Ok(output)
            }
            Err(why) => {
                let name = ToolTurn::question_name(&desk.run.model.name);
                let arguments = Arguments::Object(JsonMap::new());
                let question = ToolCall { id: self.call_id(&place), name, arguments };
                Ok(refuse(desk, &question, &why, Some(place)).await?.output())
            }
        }
    }

    fn step_place(&self, step: &Step, item: u32) -> Arc<StepPlace> {
        let (call_id, skill) = (self.call_id.clone(), self.workflow.skill.clone());
        Arc::new(StepPlace { call_id, skill, step: step.name.clone(), item })
    }

    /// The same for every attempt.
    fn call_id(&self, place: &StepPlace) -> Arc<str> {
        format!("{}/{}/{}", self.call_id, place.step, place.item).into()
    }
}
