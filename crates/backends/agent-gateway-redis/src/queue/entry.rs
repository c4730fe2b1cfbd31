//! What a claim brings: jobs, and entries that are none.
use agent_gateway_core::{
    id::ExecutionId,
    ports::queue::{Job, Lease, Leased},
};

/// The largest job in bytes of JSON.
pub(super) const MAX_PAYLOAD: usize = 256 * 1024;
/// The version of an entry's fields.
const VERSION: &[u8] = b"1";

/// An entry as the claiming script answers it: its id, its delivery and its fields.
pub(super) type Claimed = (String, u32, Vec<Vec<u8>>);

/// An entry that is no job, under a lease.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) token: String,
    pub(super) reason: String,
}

/// The job of an entry under the lease of the claim with this nonce.
pub(super) fn read(claimed: &Claimed, nonce: &str) -> Result<Leased, Malformed> {
    let (entry, delivery, fields) = claimed;
    let token = format!("{entry}:{nonce}");
    match job(fields) {
        Ok(job) => {
            let lease = Lease::new(job.execution_id.clone(), token);
            Ok(Leased { job, lease, delivery: *delivery })
        }
        Err(reason) => Err(Malformed { token, reason }),
    }
}

fn job(fields: &[Vec<u8>]) -> Result<Job, String> {
    let field = |name: &[u8]| {
        fields.chunks_exact(2).find_map(|pair| match pair {
            [key, value] if key == name => Some(value.as_slice()),
            _ => None,
        })
    };
    if let Some(version) = field(b"v").filter(|version| *version != VERSION) {
        let version = String::from_utf8_lossy(version).chars().take(20).collect::<String>();
        return Err(format!("the entry is of version {version:?}, which this program does not know"));
    }
    let job = field(b"job").ok_or("the entry has no field `job`")?;
    if job.len() > MAX_PAYLOAD {
        return Err(format!("the job has {} bytes, the most are {MAX_PAYLOAD}", job.len()));
    }
    serde_json::from_slice(job).map_err(|error| format!("the field `job` is no job: {error}"))
}

/// The message of a request to stop: who says it and its number there, before the execution's id.
pub(super) fn cancel_message(speaker: &str, number: u64, id: &ExecutionId) -> String {
    format!("{speaker}:{number}:{id}")
}

/// The number of a message of `speaker`, none for one of another, and the execution; nothing when it is none.
pub(super) fn read_cancel_message(message: &str, speaker: &str) -> Option<(Option<u64>, ExecutionId)> {
    let of_a_gateway = message.splitn(3, ':').collect::<Vec<_>>();
    // Operators publish the plain id.
    let (number, id) = match of_a_gateway.as_slice() {
        [who, number, id] if who.len() == speaker.len() && number.parse::<u64>().is_ok() => {
            (number.parse().ok().filter(|_| *who == speaker), *id)
        }
        _ => (None, message),
    };
    Some((number, ExecutionId::new(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[&str]) -> Claimed {
        ("1-0".to_owned(), 1, fields.iter().map(|field| field.as_bytes().to_vec()).collect())
    }

    #[test]
    fn entries_that_are_no_jobs_say_why() {
        let good = r#"{"execution_id":"e1","enqueued_at":"2026-01-02T03:04:05Z","agent_id":"ignored"}"#;
        assert_eq!(read(&entry(&["job", good]), "n").unwrap().lease.token(), "1-0:n");
        for (fields, words) in [
            (&["a", "b"][..], "no field `job`"),
            (&["job", "{"], "is no job"),
            (&["job", "{}"], "is no job"),
            (&["job", good, "v", "2"], "version \"2\""),
            (&["job"], "no field `job`"),
        ] {
            let malformed = read(&entry(fields), "n").unwrap_err();
            assert!(malformed.reason.contains(words), "{malformed:?}");
            assert_eq!(malformed.token, "1-0:n");
        }
    }

    #[test]
    fn a_request_to_stop_is_known_again() {
        let id = ExecutionId::generate();
        let message = cancel_message("me", 7, &id);
        assert_eq!(read_cancel_message(&message, "me"), Some((Some(7), id.clone())));
        assert_eq!(read_cancel_message(&message, "it"), Some((None, id.clone())));
        assert_eq!(read_cancel_message(id.as_str(), "me"), Some((None, id)));
        assert_eq!(read_cancel_message("", "me"), None);
    }
}
