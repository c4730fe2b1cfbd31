//! The server past the backend, as operators and strangers use it.
use redis::{Client, Commands, Connection, FromRedisValue, IntoConnectionInfo};

pub(super) fn open(url: impl IntoConnectionInfo) -> Connection {
    Client::open(url).unwrap().get_connection().unwrap()
}

/// Whether a server is there and done with loading; one that wants a password is there.
pub(super) fn answers(url: &str) -> bool {
    let Ok(mut connection) = Client::open(url).unwrap().get_connection() else { return false };
    match redis::cmd("PING").query::<String>(&mut connection) {
        Ok(_) => true,
        Err(error) => error.code() == Some("NOAUTH"),
    }
}

/// One command, written as its words.
pub(super) fn run<T: FromRedisValue>(url: &str, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut open(url)).unwrap()
}

/// The keys with this name in them, in order.
pub(super) fn keys(url: &str, name: &str) -> Vec<String> {
    let mut connection = open(url);
    let mut keys: Vec<String> =
        connection.scan_match(format!("*{name}*")).unwrap().map(Result::unwrap).collect();
    keys.sort();
    keys
}

/// Deletes the keys with this name in them, where the server is still there.
pub(super) fn forget(url: &str, name: &str) {
    if answers(url) {
        let mut connection = open(url);
        for key in keys(url, name) {
            let _: () = connection.del(key).unwrap();
        }
    }
}

/// Sends a private server a signal: `-STOP` makes it hang until `-CONT`.
pub(super) fn signal(pid: &str, signal: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// The process of a server.
pub(super) fn pid(url: &str) -> String {
    let about: String = run(url, &["INFO", "server"]);
    about.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().to_owned()
}
