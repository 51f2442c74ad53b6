//! The built-in story: two recorded hosts on two dates, so that posture, diff, history and proofs can be seen
//! without any host.

use model::Timestamp;
use model::record::{HostRecord, Reach};
use transport::Capture;

use crate::context::{App, Clock, new_uuid};
use crate::error::Error;
use crate::scan::ScanTarget;
use crate::targets::Resolved;

/// One chapter: a day, and what each host answered on it.
pub struct Chapter {
    pub at: Timestamp,
    /// Host name and its recorded answers.
    pub hosts: Vec<(&'static str, Capture)>,
}

/// A recorded answer, embedded.
struct Recorded {
    at: &'static str,
    host: &'static str,
    capture: &'static [u8],
}

/// The profile of the hosts of the demo.
pub const PROFILE: &str = "cis-l1-server";

const RECORDED: [Recorded; 4] = [
    Recorded { at: "2026-03-01T10:00:00Z", host: "demo-web", capture: include_bytes!("../demo/web-1.json") },
    Recorded { at: "2026-03-01T10:00:00Z", host: "demo-db", capture: include_bytes!("../demo/db-1.json") },
    Recorded { at: "2026-03-08T10:00:00Z", host: "demo-web", capture: include_bytes!("../demo/web-2.json") },
    Recorded { at: "2026-03-08T10:00:00Z", host: "demo-db", capture: include_bytes!("../demo/db-2.json") },
];

/// Returns the chapters in order.
///
/// # Errors
/// When a recorded answer does not read, which a test rules out.
pub fn chapters() -> Result<Vec<Chapter>, Error> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for recorded in &RECORDED {
        let at: Timestamp = recorded
            .at
            .parse()
            .map_err(|err| Error::internal(format!("a date of the demo does not read: {err}")))?;
        let capture = Capture::from_json(recorded.capture)
            .map_err(|err| Error::internal(format!("a recorded host does not read: {err}")))?;
        match chapters.last_mut() {
            Some(chapter) if chapter.at == at => chapter.hosts.push((recorded.host, capture)),
            Some(_) | None => chapters.push(Chapter { at, hosts: vec![(recorded.host, capture)] }),
        }
    }
    Ok(chapters)
}

impl App {
    /// Returns this product with its clock set to another day.
    #[must_use]
    pub fn at(&self, instant: Timestamp) -> Self {
        Self { clock: Clock::At(instant), ..self.clone() }
    }

    /// Makes a scan target of a recorded host; the host is saved under its name at first use, with this profile.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn replay_target(
        &self,
        (name, profile): (&str, &str),
        capture: Capture,
    ) -> Result<ScanTarget, Error> {
        let saved = self.list_hosts().await?.into_iter().find(|host| host.record.name == name);
        let host = match saved {
            Some(host) => Resolved { record: host.record.clone(), saved: Some(host.record), by_alias: false },
            None => Resolved { record: self.recorded_host(name, profile), saved: None, by_alias: false },
        };
        Ok(ScanTarget { text: name.to_owned(), host, capture: Some(capture) })
    }

    fn recorded_host(&self, name: &str, profile: &str) -> HostRecord {
        let now = self.now();
        HostRecord {
            host_id: model::HostId::new(new_uuid(now)),
            name: name.to_owned(),
            transport: Reach::Replay,
            address: name.to_owned(),
            port: 0,
            username: String::new(),
            identity_file: String::new(),
            sudo: false,
            profile_id: profile.to_owned(),
            os_id: String::new(),
            os_version: String::new(),
            os_name: String::new(),
            arch: String::new(),
            added_at: now,
            removed_at: None,
            changed_at: now,
        }
    }
}
