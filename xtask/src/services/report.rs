//! What was found, for people, for a shell and for machines. A password of the user's is in none of them.

use serde_json::{Value, json};
use url::Url;

use super::find::{Found, Place, Source};

/// A table with one line for each server.
pub(super) fn table(all: &[Found]) -> String {
    let mut text = format!("{:<10} {:<22} how\n", "service", "where");
    for found in all {
        let (at, how) = line(found);
        text.push_str(&format!("{:<10} {at:<22} {how}\n", found.service.word()));
    }
    text
}

/// Where, and how that is known.
fn line(found: &Found) -> (String, String) {
    let variable = found.service.variable();
    match &found.place {
        Place::At { url, source, note } => {
            let how = match source {
                Source::Variable => format!("named by {variable}"),
                Source::Private => "started by `cargo xtask services up`".to_owned(),
                Source::Usual => "was running".to_owned(),
            };
            (address(url), note.map_or(how.clone(), |note| format!("{how}; {note}")))
        }
        Place::Broken { url, why } => (address(url), format!("BROKEN: named by {variable}, but {why}")),
        Place::Absent { why, .. } => ("-".to_owned(), format!("ABSENT: {why}")),
    }
}

/// Host and port alone.
fn address(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "?".to_owned() };
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Lines for a shell, of what its environment does not say already.
pub(super) fn exports(all: &[Found]) -> String {
    let set = all.iter().filter_map(Found::variable);
    set.map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', r"'\''"))).collect()
}

pub(super) fn json(all: &[Found]) -> Value {
    all.iter().map(entry).collect()
}

fn entry(found: &Found) -> Value {
    let (state, source, url, why) = match &found.place {
        Place::At { url, source, note } => ("ready", Some(*source), Some(url), *note),
        Place::Broken { url, why } => ("broken", Some(Source::Variable), Some(url), Some(why.as_str())),
        Place::Absent { why, .. } => ("absent", None, None, Some(why.as_str())),
    };
    json!({
        "service": found.service.word(),
        "variable": found.service.variable(),
        "state": state,
        "source": source.map(|source| match source {
            Source::Variable => "variable",
            Source::Private => "private",
            Source::Usual => "usual",
        }),
        "address": url.map(|url| address(url)),
        "url": url.filter(|_| source != Some(Source::Variable)),
        "why": why,
    })
}

#[cfg(test)]
mod tests {
    use super::super::kind::Service;
    use super::*;

    fn at(service: Service, url: &str, source: Source) -> Found {
        Found { service, place: Place::At { url: url.into(), source, note: None } }
    }

    fn some() -> Vec<Found> {
        vec![
            at(Service::Postgres, "postgres://me:hush@db.example:5433/x", Source::Variable),
            at(Service::Redis, "redis://:it's@127.0.0.1:7000/0", Source::Private),
            Found {
                service: Service::RabbitMq,
                place: Place::Absent { why: "nothing listens".into(), stranger: false },
            },
        ]
    }

    #[test]
    fn every_server_has_a_line_and_no_line_a_password() {
        let text = table(&some());
        assert!(
            text.contains("db.example:5433") && text.contains("named by AGW_TEST_POSTGRES_URL"),
            "{text}"
        );
        assert!(text.contains("127.0.0.1:7000") && text.contains("ABSENT: nothing listens"), "{text}");
        assert!(!text.contains("hush") && !text.contains("it's"), "{text}");
    }

    #[test]
    fn a_shell_gets_what_it_lacks_and_quotes_that_hold() {
        assert_eq!(exports(&some()), "export AGW_TEST_REDIS_URL='redis://:it'\\''s@127.0.0.1:7000/0'\n");
    }

    #[test]
    fn machines_get_the_url_of_all_but_what_their_variable_says() {
        let all = json(&some());
        assert_eq!((&all[0]["address"], &all[0]["url"]), (&json!("db.example:5433"), &Value::Null));
        assert_eq!(
            (&all[1]["state"], &all[1]["url"]),
            (&json!("ready"), &json!("redis://:it's@127.0.0.1:7000/0"))
        );
        assert_eq!((&all[2]["state"], &all[2]["why"]), (&json!("absent"), &json!("nothing listens")));
        assert!(!all.to_string().contains("hush"));
    }
}
