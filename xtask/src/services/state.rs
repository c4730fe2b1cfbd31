//! What `up` started, remembered in the target folder so that `down` ends this and nothing else.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::kind::Service;
use super::process::Process;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) service: Service,
    pub(super) url: String,
    /// Its data and its log; goes when it goes.
    pub(super) folder: PathBuf,
    /// In the order in which they are ended.
    pub(super) processes: Vec<Process>,
}

#[derive(Debug)]
pub(super) struct State {
    file: PathBuf,
    pub(super) servers: Vec<Server>,
    /// Held while servers are started or ended.
    _lock: Option<File>,
}

impl State {
    /// As it is now, for a look.
    pub(super) fn read(target: &Path) -> Result<Self> {
        let file = target.join("services").join("state.json");
        let servers = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                format!("{} cannot be read; end what it names and delete it", file.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        Ok(Self { file, servers, _lock: None })
    }

    /// To change it: waits until nobody else does.
    pub(super) fn lock(target: &Path) -> Result<Self> {
        let folder = target.join("services");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock().context("waiting for another `cargo xtask services`")?;
        Ok(Self { _lock: Some(lock), ..Self::read(target)? })
    }

    pub(super) fn get(&self, service: Service) -> Option<&Server> {
        self.servers.iter().find(|server| server.service == service)
    }

    pub(super) fn put(&mut self, server: Server) -> Result<()> {
        self.servers.retain(|other| other.service != server.service);
        self.servers.push(server);
        self.save()
    }

    pub(super) fn forget(&mut self, service: Service) -> Result<()> {
        self.servers.retain(|server| server.service != service);
        self.save()
    }

    /// In one step, and for its owner alone: the URLs hold passwords.
    fn save(&self) -> Result<()> {
        let new = self.file.with_extension("new");
        drop(fs::remove_file(&new));
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&self.servers)?)?;
        fs::rename(&new, &self.file).with_context(|| format!("writing {}", self.file.display()))
    }
}

impl Server {
    /// Whether all that was started still runs.
    pub(super) fn runs(&self) -> bool {
        self.processes.iter().all(Process::runs)
    }

    /// Ends it and removes what it kept.
    pub(super) fn stop(&self) -> Result<()> {
        for process in &self.processes {
            process.stop(self.service.farewell())?;
        }
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_until_it_is_forgotten() {
        let target = tempfile::tempdir().unwrap();
        let server = |url: &str| Server {
            service: Service::Redis,
            url: url.into(),
            folder: "/tmp/somewhere".into(),
            processes: Process::of(1).into_iter().collect(),
        };
        assert!(State::read(target.path()).unwrap().servers.is_empty());
        let mut state = State::lock(target.path()).unwrap();
        state.put(server("redis://a")).unwrap();
        state.put(server("redis://b")).unwrap();
        assert_eq!(State::read(target.path()).unwrap().servers, [server("redis://b")]);
        state.forget(Service::Redis).unwrap();
        assert!(State::read(target.path()).unwrap().get(Service::Redis).is_none());
    }

    #[test]
    fn a_state_that_cannot_be_read_is_an_error_and_not_an_empty_one() {
        let target = tempfile::tempdir().unwrap();
        fs::create_dir(target.path().join("services")).unwrap();
        fs::write(target.path().join("services/state.json"), "[{").unwrap();
        let error = format!("{:#}", State::read(target.path()).unwrap_err());
        assert!(error.contains("state.json cannot be read"), "{error}");
    }
}
