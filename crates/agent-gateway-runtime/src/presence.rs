//! Says that this process is alive, and finds out which others are not.
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{Result, Timestamp, id::InstanceId};
use tokio::{sync::OnceCell, time::Instant};

use crate::{Ports, gateway::Shared, outage::Outage};

/// How often a process says that it is alive.
pub(crate) const BEAT: Duration = Duration::from_secs(5);
/// For how long that holds.
const BELIEVED: Duration = Duration::from_secs(15);

/// How long a process whose word has run out must say nothing before it is buried.
const SILENCE: Duration = Duration::from_secs(8);

/// Processes whose word has run out: until when they said that they live, and since when that is known here.
pub(crate) type Silent = HashMap<InstanceId, (Timestamp, Instant)>;

/// This process among those that share the store.
#[derive(Debug)]
pub(crate) struct Presence {
    id: InstanceId,
    known: OnceCell<()>,
}

/// Says that this process is alive for as long as it has something under way, also while it drains.
pub(crate) async fn beat(shared: Arc<Shared>) {
    let ended = shared.heart.stopping().clone();
    let mut outage = Outage::new("saying that this process is alive");
    loop {
        match shared.ports.presence.announce(&shared.ports).await {
            Ok(()) => outage.answered(),
            Err(error) => outage.failed(&error),
        }
        if ended.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_none() {
            return;
        }
        if shared.tasks.stopping().is_cancelled() && shared.tasks.len() == 0 {
            return;
        }
    }
}

/// Where a process runs, exactly enough to tell whether another one of there still does: the boot of the machine and the
/// space of its process numbers. `None` where the system does not tell.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), space.to_string_lossy()))
}

impl Presence {
    /// A process that nobody knows yet.
    pub(crate) fn new() -> Result<Self> {
        let unique = agent_gateway_core::id::ExecutionId::generate();
        let place = place().unwrap_or_default();
        let id = InstanceId::new(format!("{place}|{}|{unique}", std::process::id()))?;
        Ok(Self { id, known: OnceCell::new() })
    }

    pub(crate) fn id(&self) -> &InstanceId {
        &self.id
    }

    /// A name that no other process has.
    pub(crate) fn name(&self) -> &str {
        self.id.as_str().rsplit_once('|').map_or(self.id.as_str(), |(_, unique)| unique)
    }

    /// Whether another process is believed to be alive: it was announced, and nobody has buried it.
    pub(crate) async fn is_alive(&self, ports: &Ports, other: &InstanceId) -> Result<bool> {
        if self.has_ended(other) {
            return Ok(false);
        }
        let known = ports.persistence.executions().instances().await?;
        Ok(known.iter().any(|(instance, _)| instance == other))
    }

    /// What this process begins is not taken for abandoned once this has answered.
    pub(crate) async fn known(&self, ports: &Ports) -> Result<()> {
        self.known.get_or_try_init(|| self.announce(ports)).await.copied()
    }

    /// Says that this process is alive.
    pub(crate) async fn announce(&self, ports: &Ports) -> Result<()> {
        let until = later(ports.clock.now(), BELIEVED);
        ports.persistence.executions().announce(&self.id, until).await
    }

    /// Says that it no longer is.
    pub(crate) async fn retire(&self, ports: &Ports) -> Result<()> {
        if self.known.initialized() { ports.persistence.executions().retire(&self.id).await } else { Ok(()) }
    }

    /// Forgets the processes that have ended: those of this machine whose number is free, and those that have been silent for
    /// long. The answer is those that are left.
    ///
    /// Silence is measured here and not by comparing clocks: the store may have been away, so that nobody could say
    /// anything, and another machine's clock may be wrong.
    pub(crate) async fn bury(&self, ports: &Ports, silent: &mut Silent) -> Result<HashSet<InstanceId>> {
        let executions = ports.persistence.executions();
        let now = ports.clock.now();
        let mut left = HashSet::new();
        let known = executions.instances().await?;
        silent.retain(|instance, _| known.iter().any(|(other, _)| other == instance));
        for (instance, until) in known {
            let is_over = if instance == self.id {
                false
            } else if self.has_ended(&instance) {
                true
            } else if until >= now {
                silent.remove(&instance);
                false
            } else {
                let (said, since) = silent.entry(instance.clone()).or_insert((until, Instant::now()));
                if *said != until {
                    (*said, *since) = (until, Instant::now());
                }
                since.elapsed() >= SILENCE
            };
            if is_over {
                executions.retire(&instance).await?;
            } else {
                left.insert(instance);
            }
        }
        Ok(left)
    }

    /// Whether another process certainly no longer runs. Where it runs elsewhere, nobody here can tell.
    fn has_ended(&self, other: &InstanceId) -> bool {
        let (mine, other) = (parts(&self.id), parts(other));
        let (Some((place, number)), Some((other_place, other_number))) = (mine, other) else { return false };
        let same_place = !place.is_empty() && place == other_place;
        // A process may hold several gateways; one of another process with this number ended before this one began, but
        // which of the two it was cannot be told.
        same_place && number != other_number && !is_running(other_number)
    }
}

/// Whether a process of this number runs here. One that has ended and whose parent has not noticed does not.
fn is_running(number: &str) -> bool {
    let process = Path::new("/proc").join(number);
    let ended = std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| {
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        state.is_some_and(|state| state.starts_with(['Z', 'X']))
    });
    let found = process.exists() || is_hidden(number);
    found && !ended
}

/// Whether a process is there that this one may not see, as `/proc` can be set up.
fn is_hidden(number: &str) -> bool {
    let process = number.parse().ok().and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| {
        let asked = rustix::process::test_kill_process(process);
        asked != Err(rustix::io::Errno::SRCH)
    })
}

/// The place and the process number of an instance.
fn parts(id: &InstanceId) -> Option<(&str, &str)> {
    let (place, rest) = id.as_str().split_once('|')?;
    let (number, _) = rest.split_once('|')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some((place, number))
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = jiff::SignedDuration::try_from(by).unwrap_or(jiff::SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_here_can_be_known_to_have_ended() {
        let me = Presence::new().unwrap();
        let (place, number) = parts(me.id()).unwrap();
        assert_eq!(number, std::process::id().to_string());
        let ended = |id: String| me.has_ended(&InstanceId::new(id).unwrap());
        assert!(!ended(format!("{place}|{number}|other")));
        assert!(!ended(format!("{place}|1|init")));
        assert!(!ended("elsewhere/pid:[1]|4194304|x".to_owned()));
        assert!(!ended("nonsense".to_owned()));
        // No machine numbers its processes this high.
        assert_eq!(ended(format!("{place}|4194399|gone")), !place.is_empty());
    }
}
