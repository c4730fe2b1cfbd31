use super::*;

fn run_of(status: &str, times: [&str; 3]) -> Run {
    let at = |second: &str| format!("2026-01-02T03:04:{second}+00:00").parse().unwrap();
    let [created, started, completed] = times;
    Run {
        status: status.into(),
        result: Some(json!({ "raw_text": "pong" })),
        error: None,
        created_at: at(created),
        started_at: Some(at(started)),
        completed_at: Some(at(completed)),
    }
}

#[test]
fn throughput_is_from_the_first_accepted_to_the_last_completed() {
    let runs = [
        run_of("completed", ["10.000000", "10.002000", "11.000000"]),
        run_of("completed", ["10.500000", "10.504000", "12.000000"]),
    ];
    let told: serde_json::Value = serde_json::from_str(&report(&runs, "pong").unwrap()).unwrap();
    assert_eq!((told["runs"].as_u64(), told["runs_per_s"].as_f64()), (Some(2), Some(1.0)));
    assert_eq!((told["pick_up_p50_ms"].as_f64(), told["pick_up_p99_ms"].as_f64()), (Some(2.0), Some(4.0)));
}

#[test]
fn a_run_that_failed_or_said_something_else_fails_the_bench() {
    let times = ["10.000000", "10.002000", "11.000000"];
    let error = report(&[run_of("failed", times)], "pong").unwrap_err().to_string();
    assert!(error.contains("failed"), "{error}");
    assert!(report(&[run_of("completed", times)], "ping").is_err());
    assert!(report(&[Run { started_at: None, ..run_of("completed", times) }], "pong").is_err());
    assert!(report(&[], "pong").is_err());
}
