//! The disk of the database is full: what cannot be stored is refused, and what was accepted ends once there is room again.
use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use agent_gateway_testkit::{
    model_server::{ModelServer, Reply},
    skip::skip,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::process::{Workspace, client, command};

const TEST: &str = "full_disk::accepted_runs_survive_a_full_disk";

/// Whether this process may give a child a file system of its own.
fn may_mount() -> bool {
    let trial = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
    trial.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_runs_survive_a_full_disk() {
    if !may_mount() {
        return skip("mount", TEST, "a file system of a test's own needs the right to mount one");
    }
    let model = ModelServer::with(|_| Reply::text("x".repeat(20_000))).await;
    let workspace = Workspace::helper();
    let disk = workspace.directory.path().join("disk");
    fs::create_dir(&disk).unwrap();
    workspace.write(
        "gateway.yaml",
        "auth: {enabled: false}\npersistence: {url: 'sqlite:disk/test.db'}\nqueue: {backend: memory, workers: 2}\n",
    );
    // Three of six megabytes are taken by something that can be removed.
    let script = "mount -t tmpfs -o size=6m tmpfs disk && head -c 3145728 /dev/zero > disk/other && exec \"$0\" \"$@\"";
    let program = command().get_program().to_owned();
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", script]).arg(program).args(["serve", "--port", "0", "--json"]);
    unshare.current_dir(workspace.directory.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    unshare.env("OPENAI_BASE_URL", model.url()).env("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model");
    let mut child = unshare.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let about: Value = serde_json::from_str(&line).unwrap();
    let url = |path: &str| format!("{}{path}", about["url"].as_str().unwrap());

    let submit = || {
        client()
            .post(url("/v1/agents/helper/invoke"))
            .json(&json!({"message": "go", "options": {"async": true}}))
    };
    let mut accepted = Vec::new();
    let full = loop {
        let answer = submit().send().await.unwrap();
        if answer.status() != 202 {
            break answer;
        }
        let body: Value = answer.json().await.unwrap();
        accepted.push(body["execution_id"].as_str().unwrap().to_owned());
        assert!(accepted.len() < 5_000, "the disk does not fill");
    };
    assert_eq!(full.status(), 503);
    assert!(full.headers().contains_key("retry-after"), "{:?}", full.headers());
    assert!(accepted.len() > 10, "only {} were accepted", accepted.len());

    // The gateway's own view of its disk.
    fs::remove_file(format!("/proc/{}/root{}/other", child.id(), disk.display())).unwrap();
    let end = Instant::now() + Duration::from_secs(90);
    let mut unfinished = accepted.clone();
    while !unfinished.is_empty() {
        assert!(Instant::now() < end, "{} of {} do not end", unfinished.len(), accepted.len());
        let mut left = Vec::new();
        for id in unfinished {
            let stored = client().get(url(&format!("/v1/executions/{id}"))).send().await.unwrap();
            assert_eq!(stored.status(), 200, "{id} is lost");
            let stored: Value = stored.json().await.unwrap();
            match stored["status"].as_str().unwrap() {
                "queued" | "running" => left.push(id),
                status => assert_eq!(status, "completed", "{stored}"),
            }
        }
        unfinished = left;
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(submit().send().await.unwrap().status(), 202);
    let row = format!("| a full disk under SQLite | {0} | {0} | 0 | 0 | 0 | 0 |", accepted.len());
    crate::cluster::tell(&row);
    child.kill().unwrap();
    child.wait().unwrap();
}
