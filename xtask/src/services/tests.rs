use anyhow::anyhow;

use super::*;

fn found(service: Service, place: Place) -> Found {
    Found { service, place }
}

fn absent() -> Place {
    Place::Absent { why: "nothing listens".into(), stranger: false }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn an_absent_server_fails_only_where_it_is_required() {
    let all = [found(Service::Redis, absent()), found(Service::Postgres, absent())];
    verdict(&all, &[], &words(&["python3"])).unwrap();
    let error = verdict(&all, &[], &words(&["python3", "redis"])).unwrap_err().to_string();
    assert_eq!(error, "AGW_REQUIRE asks for redis, but there is none");
}

#[test]
fn one_that_should_be_there_fails_whether_required_or_not() {
    let broken = Place::Broken { url: "redis://gone".into(), why: "nothing listens".into() };
    assert!(verdict(&[found(Service::Redis, broken)], &[], &[]).is_err());
    let failures = [(Service::Postgres, anyhow!("initdb failed"))];
    let all = [explained(found(Service::Postgres, absent()), &failures)];
    assert!(all[0].missing().unwrap().ends_with("does not start"));
    assert!(verdict(&all, &failures, &[]).is_err());
}
