use super::*;

const DEFAULT: &str = "redis://127.0.0.1:6379/0";

/// A world in which these URLs answer like that, and no other answers.
fn world<'a>(answers: &'a [(&'a str, Answer)]) -> impl Fn(&str) -> Answer + 'a {
    move |url| {
        let known = answers.iter().find(|(known, _)| *known == url);
        known.map_or_else(|| Answer::Nobody("nothing listens".into()), |(_, answer)| answer.clone())
    }
}

fn redis(place: Place) -> Found {
    Found { service: Service::Redis, place }
}

fn at(url: &str, source: Source) -> Place {
    Place::At { url: url.into(), source, note: None }
}

#[test]
fn the_variable_comes_first_then_the_private_one_then_the_usual_port() {
    let all = [("redis://v", Answer::Ready), ("redis://p", Answer::Ready), (DEFAULT, Answer::Ready)];
    let find = |variable, private| place(Service::Redis, variable, private, world(&all));
    assert_eq!(find(Some("redis://v"), Some("redis://p")), at("redis://v", Source::Variable));
    assert_eq!(find(None, Some("redis://p")), at("redis://p", Source::Private));
    assert_eq!(find(Some(""), None), at(DEFAULT, Source::Usual));
    assert_eq!(find(None, Some("redis://dead")), at(DEFAULT, Source::Usual));
}

#[test]
fn a_variable_that_names_nothing_is_neither_replaced_nor_a_skip() {
    let all = [(DEFAULT, Answer::Ready)];
    let found = redis(place(Service::Redis, Some("redis://gone"), Some(DEFAULT), world(&all)));
    assert!(matches!(&found.place, Place::Broken { url, .. } if url == "redis://gone"));
    assert_eq!((found.missing(), found.variable()), (None, None));
}

#[test]
fn a_stranger_at_the_usual_port_is_hidden_from_the_tests() {
    let all = [(DEFAULT, Answer::Wrong("it asks for a password".into()))];
    let found = redis(place(Service::Redis, None, None, world(&all)));
    assert!(found.missing().unwrap().ends_with("it asks for a password"));
    assert_eq!(found.variable(), Some(("AGW_TEST_REDIS_URL", "none")));
}

#[test]
fn none_means_none_whatever_runs() {
    let all = [(DEFAULT, Answer::Ready)];
    let found = redis(place(Service::Redis, Some("none"), Some(DEFAULT), world(&all)));
    assert_eq!((found.missing(), found.variable()), (Some("AGW_TEST_REDIS_URL is none"), None));
}

#[test]
fn tests_are_told_of_what_was_found_and_not_of_what_they_know() {
    let private = redis(at("redis://p", Source::Private));
    assert_eq!(private.variable(), Some(("AGW_TEST_REDIS_URL", "redis://p")));
    assert_eq!(redis(at("redis://v", Source::Variable)).variable(), None);
    let nobody = redis(place(Service::Redis, None, None, world(&[])));
    assert_eq!((nobody.missing(), nobody.variable()), (Some("nothing listens"), None));
}
