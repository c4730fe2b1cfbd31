//! Limits of tokens and cost: they hold before they are passed, in a run and in all that it delegates to.
use std::sync::{Arc, Mutex};

use agent_gateway_core::{
    Result,
    capability::{ModelCapability, Price},
    execution::{Limits, Outcome, StopReason},
    id::{AgentId, ExecutionId, ModelName},
    message::TokenUsage,
    ports::model::{FinishReason, LanguageModel, ModelEvent, ModelRequest},
};
use agent_gateway_engine::{Child, ChildEnd, Delegator, Ledger};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use async_trait::async_trait;
use futures::stream::BoxStream;
use proptest::prelude::*;
use serde_json::json;

use crate::world::World;

const PRICE: Price = Price { input: 2.0, cached_input: 1.0, output: 8.0 };

fn tokens(outcome: &Outcome) -> u64 {
    outcome.usage.input_tokens + outcome.usage.output_tokens
}

fn usage(input_tokens: u64, output_tokens: u64) -> TokenUsage {
    TokenUsage { input_tokens, output_tokens, cached_input_tokens: 0 }
}

#[tokio::test]
async fn a_run_that_has_used_its_tokens_stops_before_it_asks_again() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap());
    let reply = Reply::text("so far").call("act", &json!({})).usage(usage(100, 40));
    let mut world = World::new([]).tool(&act);
    world.model = ScriptedModel::always(reply);
    world.limits.max_tokens = Some(400);
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::MaxTokens, "so far"));
    assert_eq!((outcome.error, outcome.usage.llm_calls), (None, 2));
    let asked: Vec<Option<u32>> = world.requests().iter().map(|request| request.max_tokens).collect();
    assert_eq!(asked[0], Some(100), "there is enough for the whole of it");
}

#[tokio::test]
async fn what_is_left_bounds_the_answer_and_an_answer_cut_for_it_says_so() {
    let mut world =
        World::new([Reply::text("half an ans").usage(usage(20, 60)).reason(FinishReason::Length)]);
    world.limits.max_tokens = Some(100);
    let outcome = world.outcome().await;
    assert!(world.requests()[0].max_tokens.unwrap() < 100);
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::MaxTokens, "half an ans"));
}

#[tokio::test]
async fn a_limit_of_cost_holds_and_a_price_that_nobody_knows_is_not_guessed() {
    let mut world = World::new([]);
    world.limits.max_cost_usd = Some(0.000_001);
    world.model = ScriptedModel::new([Reply::text("never")]).priced(PRICE);
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, world.requests().len()), (StopReason::MaxCost, 0));

    let mut unpriced = World::new([Reply::text("never"), Reply::text("never")]);
    unpriced.limits.max_cost_usd = Some(10.0);
    unpriced.fallback = Some("scripted/two");
    let outcome = unpriced.outcome().await;
    assert_eq!((outcome.stop_reason, unpriced.requests().len()), (StopReason::Error, 0));
    let why = outcome.error.unwrap();
    assert!(why.contains("scripted/one") && why.contains("model.prices"), "{why}");
}

#[tokio::test]
async fn without_limits_requests_are_as_they_were() {
    let mut world = World::new([Reply::text("fine")]);
    world.max_tokens = None;
    world.outcome().await;
    assert_eq!(world.requests()[0].max_tokens, None);
}

#[tokio::test]
async fn an_attempt_that_goes_on_knows_what_was_used() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap());
    let first = Reply::calls([("act", json!({}))]).usage(usage(150, 50));
    let mut world = World::new([first.clone(), Reply::text("end")]).tool(&act);
    world.limits.max_tokens = Some(1000);
    world.outcome().await;
    let log = world.log.events.lock().unwrap().clone();
    let entry = |(event, sequence)| agent_gateway_core::execution::LogEntry {
        sequence: agent_gateway_core::execution::Cursor(sequence),
        at: agent_gateway_core::Timestamp::UNIX_EPOCH,
        event,
    };
    let mut again = World::new([]).tool(&act);
    again.past = agent_gateway_engine::Past::read(log.into_iter().zip(1..).map(entry)).unwrap();
    again.limits.max_tokens = Some(210);
    assert_eq!(again.outcome().await.stop_reason, StopReason::MaxTokens);
    assert!(again.requests().is_empty());
}

/// A model that uses all that a request allows, or a share of it.
#[derive(Debug)]
struct Greedy {
    shares: Mutex<Vec<u8>>,
    calls: bool,
    used: Mutex<(u64, f64)>,
}

#[async_trait]
impl LanguageModel for Greedy {
    fn capability(&self, _: &ModelName) -> ModelCapability {
        ModelCapability::new("greedy").priced(PRICE)
    }

    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        tokio::task::yield_now().await;
        let share = self.shares.lock().unwrap().pop().unwrap_or(100);
        let bytes: usize =
            request.messages.iter().map(|message| serde_json::to_string(message).unwrap().len()).sum();
        let most = u64::from(request.max_tokens.unwrap_or(1_000_000));
        let usage = usage(bytes as u64 / 6, most * u64::from(share) / 100);
        let mut used = self.used.lock().unwrap();
        used.0 += usage.input_tokens + usage.output_tokens;
        used.1 += PRICE.cost(&usage);
        let mut events = vec![Ok(ModelEvent::Text("words ".repeat(usize::from(share)).into()))];
        if self.calls {
            for index in 0..3 {
                let (id, name) = (format!("call_{index}").into(), "delegate_to_agent".into());
                events.push(Ok(ModelEvent::ToolCallStarted { index, id, name }));
                let arguments = json!({"agent_id": "other", "message": "work"}).to_string().into();
                events.push(Ok(ModelEvent::ToolCallDelta { index, arguments }));
            }
        }
        let (model, reason) = (request.model, FinishReason::Stop);
        events.push(Ok(ModelEvent::Finished { model, usage, reason }));
        Ok(Box::pin(futures::stream::iter(events)))
    }
}

/// Runs children below their parent's ledger.
#[derive(Debug)]
struct Below {
    parent: Arc<Ledger>,
    model: Arc<Greedy>,
    rests: bool,
    keys: Mutex<Vec<String>>,
}

#[async_trait]
impl Delegator for Below {
    async fn delegate(&self, child: Child) -> Result<ChildEnd> {
        self.keys.lock().unwrap().push(child.key.clone());
        if self.rests {
            return Ok(ChildEnd::Rests(ExecutionId::generate()));
        }
        let mut world = World::new([]);
        world.asked = Some(self.model.clone());
        world.parent = Some(self.parent.clone());
        world.limits = Limits::default().lowered(&child.guardrails);
        Ok(ChildEnd::Ended(Arc::new(world.outcome().await)))
    }
}

/// A parent with children that run at the same time.
async fn tree(limits: Limits, shares: Vec<u8>, max_tokens: Option<u32>) -> (Outcome, u64, f64) {
    let model = Arc::new(Greedy { shares: Mutex::new(shares.clone()), calls: true, used: Mutex::default() });
    let below = Arc::new(Greedy { shares: Mutex::new(shares), calls: false, used: Mutex::default() });
    let parent = Ledger::open(&limits, None);
    let mut world = World::new([]);
    world.asked = Some(model.clone());
    world.limits = limits;
    world.max_tokens = max_tokens;
    world.delegates = vec![AgentId::new("other").unwrap()];
    world.ledger = Some(parent.clone());
    let delegator = Below { parent, model: below.clone(), rests: false, keys: Mutex::default() };
    world.delegator = Arc::new(delegator);
    let outcome = world.outcome().await;
    let (own, theirs) = (*model.used.lock().unwrap(), *below.used.lock().unwrap());
    (outcome, own.0 + theirs.0, own.1 + theirs.1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_limit_is_passed_whatever_the_models_do(
        shares in prop::collection::vec(1..=100_u8, 0..12),
        most_tokens in prop::option::of(1..20_000_u64),
        most_cost in prop::option::of(0.000_1..0.2_f64),
        max_tokens in prop::option::of(1..4_000_u32),
    ) {
        let limits = Limits { max_tokens: most_tokens, max_cost_usd: most_cost, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (outcome, tokens, cost) = runtime.block_on(tree(limits, shares, max_tokens));
        prop_assert!(most_tokens.is_none_or(|most| tokens <= most), "{tokens} of {most_tokens:?}: {outcome:?}");
        prop_assert!(most_cost.is_none_or(|most| cost <= most + 1e-9), "{cost} of {most_cost:?}: {outcome:?}");
        prop_assert_eq!(outcome.error, None);
    }
}

#[tokio::test]
async fn a_tree_delegates_no_more_often_than_it_may() {
    let limits = Limits { max_delegations: 4, ..Limits::default() };
    let (outcome, _, _) = tree(limits, Vec::new(), Some(50)).await;
    assert!(tokens(&outcome) > 0);
    let model = Arc::new(Greedy { shares: Mutex::default(), calls: true, used: Mutex::default() });
    let parent = Ledger::open(&limits, None);
    let mut world = World::new([]);
    world.asked = Some(model.clone());
    world.limits = limits;
    world.delegates = vec![AgentId::new("other").unwrap()];
    world.ledger = Some(parent.clone());
    let delegator = Arc::new(Below { parent: parent.clone(), model, rests: true, keys: Mutex::default() });
    world.delegator = delegator.clone();
    // Three rest; the next attempt finds the same three again, and they count once.
    world.suspension().await;
    let log = world.log.events.lock().unwrap().clone();
    assert!(log.len() == 1, "the turn alone is there: {log:?}");
    let entry = |(event, sequence)| agent_gateway_core::execution::LogEntry {
        sequence: agent_gateway_core::execution::Cursor(sequence),
        at: agent_gateway_core::Timestamp::UNIX_EPOCH,
        event,
    };
    world.past = agent_gateway_engine::Past::read(log.into_iter().zip(1..).map(entry)).unwrap();
    world.id = Some(delegator.keys.lock().unwrap()[0][..36].parse().unwrap());
    world.suspension().await;
    let keys: std::collections::BTreeSet<String> = delegator.keys.lock().unwrap().iter().cloned().collect();
    assert_eq!((keys.len(), delegator.keys.lock().unwrap().len()), (3, 6));
}
