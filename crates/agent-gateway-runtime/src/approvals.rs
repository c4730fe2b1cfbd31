//! Tool calls that wait for a person: what protocols read of them, and decide.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::{
    JsonMap, Result,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Decided, Decision, MAX_REASON_CHARS, Verdict},
    execution::{LogEntry, LogEvent},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    principal::{Principal, Visibility},
};
use agent_gateway_engine::FieldError;
use serde_json::json;

use crate::{
    Ports, Refusal,
    gateway::{Alive, Shared},
};

/// The scope that lets a caller decide on every call; with `:<agent>` behind it, on those of that agent.
pub const DECIDE: &str = "approvals:decide";

/// How many pages are looked through for something that the caller may see.
const MAX_PAGES: usize = 20;

/// Reads and decides on tool calls that wait for a person. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Approvals {
    pub(crate) shared: Arc<Shared>,
    pub(crate) _alive: Arc<Alive>,
}

impl Approvals {
    /// Approvals, newest first: the caller's own, and those that the caller may decide on.
    pub async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Principal,
        page: PageRequest,
    ) -> Result<Page<Approval>> {
        let visibility = match &query.agent_id {
            Some(agent) if who.scopes().grants_decide(agent.as_str()) => everything(),
            None if who.scopes().grants(DECIDE) => everything(),
            _ => who.visibility(),
        };
        let scopes = who.scopes();
        if scopes.grants(DECIDE) || scopes.grants("admin") || !scopes.grants_decide_any() {
            return self.store().list(query, &visibility, page).await;
        }
        // What may be decided on and what is owned are found in one look at all, which has an end.
        let (limit, mut next) = (page.limit(), page);
        let mut found = Page { items: Vec::new(), next: None };
        for _ in 0..MAX_PAGES {
            let looked = self.store().list(query, &everything(), next).await?;
            let may_see = |approval: &Approval| {
                scopes.grants_decide(approval.agent_id.as_str())
                    || who.visibility().allows(approval.user_id.as_ref())
            };
            found.items.extend(looked.items.into_iter().filter(may_see));
            found.next = looked.next;
            match &found.next {
                Some(place) if found.items.is_empty() => {
                    next = PageRequest::first(limit).after(place.clone())
                }
                _ => break,
            }
        }
        Ok(found)
    }

    /// One approval; `None` when there is none that the caller may see.
    pub async fn get(&self, id: &ApprovalId, who: &Principal) -> Result<Option<Approval>> {
        let found = self.store().get(id, &everything()).await?;
        Ok(found.filter(|found| {
            who.scopes().grants_decide(found.agent_id.as_str())
                || who.visibility().allows(found.user_id.as_ref())
        }))
    }

    /// Decides. The first decision counts; the run goes on when nothing is left that it waits for.
    ///
    /// An approval that the caller may not even see is not there; one that they may see but not decide on is refused. Edited
    /// arguments fit the tool's schema, or nothing is decided.
    pub async fn decide(
        &self,
        id: &ApprovalId,
        verdict: Verdict,
        reason: Option<String>,
        who: &Principal,
    ) -> Result<Approval, Refusal> {
        if !who.scopes().grants_decide_any() {
            return Err(Refusal::ScopeMissing(DECIDE.to_owned()));
        }
        let found = self.get(id, who).await?.ok_or_else(|| Refusal::ApprovalNotFound(id.to_string()))?;
        if !who.scopes().grants_decide(found.agent_id.as_str()) {
            return Err(Refusal::ScopeMissing(DECIDE.to_owned()));
        }
        let reason = checked(reason)?;
        if let Verdict::Edit { arguments } = &verdict {
            self.check_arguments(&found, arguments)?;
        }
        let at = self.shared.ports.clock.now();
        let decision = Decision { verdict, by: who.id().cloned(), at, reason };
        match self.store().decide(id, &decision).await? {
            Decided::Stored(approval) => {
                self.shared.recovery.resumption.look_at(approval.execution_id.clone());
                Ok(*approval)
            }
            Decided::TooLate(approval) if approval.status == ApprovalStatus::Pending => {
                Err(Refusal::ApprovalSettled(id.clone(), ApprovalStatus::Expired))
            }
            Decided::TooLate(approval) => Err(Refusal::ApprovalSettled(id.clone(), approval.status)),
        }
    }

    fn check_arguments(&self, approval: &Approval, arguments: &JsonMap) -> Result<(), Refusal> {
        let snapshot = self.shared.snapshot.load();
        let errors = snapshot.check_arguments(&approval.tool, arguments);
        let Some(errors) = errors else {
            return Err(Refusal::FieldInvalid(FieldError {
                loc: vec![json!("body"), json!("arguments")],
                msg: format!(
                    "the tool '{}' is no longer served, so its arguments cannot be checked",
                    approval.tool
                ),
                kind: "value_error".to_owned(),
            }));
        };
        if errors.is_empty() { Ok(()) } else { Err(Refusal::InputInvalid(errors)) }
    }

    fn store(&self) -> &dyn agent_gateway_core::ports::persistence::ApprovalStore {
        self.shared.ports.persistence.approvals()
    }
}

fn everything() -> Visibility {
    Principal::system().visibility()
}

fn checked(reason: Option<String>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else { return Ok(None) };
    if reason.chars().nth(MAX_REASON_CHARS).is_some() {
        return Err(Refusal::FieldInvalid(FieldError {
            loc: vec![json!("body"), json!("reason")],
            msg: format!("String should have at most {MAX_REASON_CHARS} characters"),
            kind: "string_too_long".to_owned(),
        }));
    }
    Ok(Some(reason.into()))
}

/// What was decided of the calls that a log shows waiting, as entries that the log lacks.
pub(crate) async fn settled(
    ports: &Ports,
    execution: &ExecutionId,
    log: &[LogEntry],
) -> Result<Vec<LogEvent>> {
    let mut open = HashSet::new();
    for entry in log {
        match &entry.event {
            LogEvent::ApprovalRequested { approval_id, .. } => drop(open.insert(approval_id.clone())),
            LogEvent::ApprovalSettled { approval_id, .. } => drop(open.remove(approval_id)),
            _ => {}
        }
    }
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let known = ports.persistence.approvals().of_execution(execution).await?;
    let settled = known
        .into_iter()
        .filter(|approval| open.contains(&approval.id) && approval.status != ApprovalStatus::Pending);
    Ok(settled
        .map(|approval| LogEvent::ApprovalSettled {
            approval_id: approval.id,
            call_id: approval.call_id,
            status: approval.status,
            decision: approval.decision,
        })
        .collect())
}
