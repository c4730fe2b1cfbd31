//! The README's library example, run.
use std::{path::Path, process::Command};

#[test]
fn the_library_example_runs() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "quickstart"])
        .current_dir(&repository)
        .env("AGENT_GATEWAY_PERSISTENCE__URL", "sqlite::memory:")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("Oslo") && printed.contains("clear"), "{printed}");
}
