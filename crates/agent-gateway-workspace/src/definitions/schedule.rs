//! `schedules` of an `AGENT.md`. A schedule that cannot fire as meant is left out, the agent stays.
use agent_gateway_core::{
    JsonMap,
    agent::{Activation, ScheduleDefinition},
};
use serde::Deserialize;

use super::{Reading, document::Document};

/// The most characters of a schedule's instructions.
const MAX_INSTRUCTIONS: usize = 4000;

#[derive(Debug, Deserialize)]
pub(super) struct ScheduleFile {
    name: String,
    cron: String,
    message: String,
    #[serde(default)]
    input: JsonMap,
    #[serde(default = "yes")]
    enabled: bool,
    timezone: Option<String>,
    instructions: Option<String>,
}

fn yes() -> bool {
    true
}

impl Reading<'_> {
    pub(super) fn schedules(
        &mut self,
        document: &Document,
        files: Vec<ScheduleFile>,
    ) -> Vec<ScheduleDefinition> {
        let mut schedules: Vec<ScheduleDefinition> = Vec::new();
        for (index, mut file) in files.into_iter().enumerate() {
            let fault = if schedules.iter().any(|known| known.name == file.name) {
                Some(("name", "a schedule of this name came before; this one is left out"))
            } else if file.name.trim().is_empty() {
                Some(("name", "is empty; the schedule is left out"))
            } else if !looks_like_cron(&file.cron) {
                Some(("cron", "is not five fields of a cron expression; the schedule is left out"))
            } else if file.timezone.as_deref().is_some_and(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
                Some(("timezone", "is not a known time zone; the schedule is left out"))
            } else {
                None
            };
            if let Some((field, message)) = fault {
                let key = format!("schedules[{index}].{field}");
                self.report(document.place(&key).error(&key, message));
                continue;
            }
            if let Some((end, _)) =
                file.instructions.as_ref().and_then(|text| text.char_indices().nth(MAX_INSTRUCTIONS))
            {
                let key = format!("schedules[{index}].instructions");
                let message = format!("has more than {MAX_INSTRUCTIONS} characters and is cut there");
                self.report(document.place(&key).warning(&key, &message));
                file.instructions.as_mut().map(|text| text.truncate(end)).unwrap_or_default();
            }
            schedules.push(ScheduleDefinition {
                name: file.name,
                cron: file.cron,
                message: file.message,
                input: file.input,
                activation: Activation::from_flag(file.enabled),
                timezone: file.timezone,
                instructions: file.instructions,
            });
        }
        schedules
    }
}

/// The shape alone: what a field may say depends on the dialect, which the scheduler knows.
fn looks_like_cron(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    fields.len() == 5
        && fields.iter().all(|field| {
            field
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'/' | b',' | b'-' | b'#'))
        })
}
