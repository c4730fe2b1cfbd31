//! What the factory says of definitions that cannot be run.
use agent_gateway_core::{ErrorKind, tool::Handler, vars::MapVars};
use agent_gateway_tools::FileToolSettings;
use serde_json::json;
use std::sync::Arc;

use crate::support::{Bench, error, settings};

#[tokio::test]
async fn a_missing_handler_tells_the_model_and_the_operator() {
    let bench = Bench::new();
    let tool = bench.build(Handler::Missing).unwrap();
    assert_eq!(tool.spec().name.as_str(), "probe");
    let error = error(&tool, json!({})).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.message().contains("`probe` cannot be run"), "{error}");
    assert!(error.to_string().contains("tools/probe/handler.py"), "{error}");
}

#[tokio::test]
async fn without_python_the_answer_says_what_to_install() {
    let vars = Arc::new(MapVars::from_iter([("PATH", "/nowhere")]));
    let bench = Bench::with(FileToolSettings { vars, ..settings() });
    let error = bench.build(Handler::Python(bench.process(&["handler.py"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("install python3"), "{error}");
}

#[tokio::test]
async fn shutdown_without_anything_started_is_quick() {
    let bench = Bench::new();
    bench.tools.shutdown().await;
    bench.tools.shutdown().await;
}

#[test]
fn nothing_secret_prints() {
    agent_gateway_testkit::needs_python!("factory::nothing_secret_prints");
    let mut bench = Bench::new();
    bench.env.insert("TOKEN".into(), agent_gateway_core::secret::Secret::new("tok-12345"));
    let python = bench.python("def handle(a): return 1");
    let command = bench.script("#!/bin/sh\necho 1\n");
    let shown = format!("{:?} {python:?} {command:?}", bench.tools);
    assert!(!shown.contains("tok-12345") && !shown.contains("gateway-secret"), "{shown}");
}
