use agent_gateway_core::Error;
use agent_gateway_testkit::suite::{Finding, Report, judge};

#[tokio::test]
async fn a_report_names_what_failed_and_why() {
    let mut report = Report::default();
    report.run("port", "fine", async { Ok(()) }).await;
    report.run("port", "not_for_us", async { Err(Finding::Skipped("too small".to_owned())) }).await;
    report.run("port", "away", async { Err(Error::unavailable("gone").into()) }).await;
    assert_eq!((report.passed(), report.failed()), (&["fine"][..], vec!["away"]));
    let shown = report.to_string();
    assert!(shown.starts_with("1 passed, 1 skipped, 1 failed"), "{shown}");
    assert!(shown.contains("skipped not_for_us: too small"), "{shown}");
    assert!(shown.contains("failed port::away") && shown.contains("gone"), "{shown}");
    assert!(report.into_result().is_err());
    assert!(Report::default().into_result().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_case_that_hangs_fails_by_name() {
    let failure = judge("port", "endless", std::future::pending()).await.unwrap_err();
    assert!(failure.to_string().starts_with("port::endless: the case did not end"), "{failure}");
    assert!(judge("port", "skips", async { Err(Finding::Skipped("no".to_owned())) }).await.is_ok());
}
