//! A person at a terminal: types, sees, presses keys.
use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

const SCRIPT: &str = include_str!("terminal.py");

/// What a person does, step by step.
#[derive(Default)]
pub(crate) struct Person {
    steps: Vec<[String; 2]>,
}

/// What came of it.
pub(crate) struct Seen {
    /// The exit code, minus the signal for a process that was killed.
    pub(crate) code: i64,
    /// Everything that came to the terminal.
    pub(crate) text: String,
}

impl Person {
    fn step(mut self, what: &str, text: &str) -> Self {
        self.steps.push([what.to_owned(), text.to_owned()]);
        self
    }

    /// Waits for this text, behind the last one that was waited for.
    pub(crate) fn sees(self, text: &str) -> Self {
        self.step("expect", text)
    }

    /// Presses these keys.
    pub(crate) fn types(self, keys: &str) -> Self {
        self.step("send", keys)
    }

    /// Sends the process a signal.
    pub(crate) fn signals(self, name: &str) -> Self {
        self.step("signal", name)
    }

    /// Does it with this command, which must end then.
    pub(crate) fn at(self, command: &Command) -> Seen {
        let words: Vec<&str> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|word| word.to_str().unwrap())
            .collect();
        let mut python = Command::new("python3");
        python.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).env_clear();
        for (name, value) in command.get_envs() {
            python.env(name, value.unwrap());
        }
        python.current_dir(command.get_current_dir().unwrap());
        let mut python = python.spawn().unwrap();
        let script = json!({"command": words, "steps": self.steps});
        python.stdin.take().unwrap().write_all(script.to_string().as_bytes()).unwrap();
        let output = python.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = answer["seen"].as_str().unwrap().to_owned();
        assert!(answer["missing"].is_null(), "{} did not come; what came: {text}", answer["missing"]);
        Seen { code: answer["code"].as_i64().unwrap(), text }
    }
}
