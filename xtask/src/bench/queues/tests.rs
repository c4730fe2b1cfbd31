use super::super::table::{missed, table};
use super::setup::{Layout, Store};
use super::*;

fn setup(queue: Queue, store: Store) -> Setup {
    Setup { queue, store, layout: Layout::Whole }
}

fn sampled(runs_per_s: f64, rows_for_each: Option<f64>) -> Sample {
    Sample {
        runs_per_s,
        cpu_us: 700.0,
        commits_for_each: 0.25,
        rows_for_each,
        pick_up_p50_ms: 1.5,
        pick_up_p99_ms: 9.0,
    }
}

#[test]
fn runs_stand_beside_the_jobs_of_the_bare_server() {
    let redis = setup(Queue::Redis, Store::Sqlite);
    let rounds = Rounds {
        samples: [(redis, vec![sampled(900.0, None), sampled(1000.0, None), sampled(2000.0, None)])].into(),
        bare: [(Queue::Redis, vec![4000.0, 5000.0, 4500.0])].into(),
    };
    let rows = rows(&rounds, 100);
    let runs = rows.first().unwrap();
    assert_eq!(
        (runs.what.as_str(), runs.bare, runs.gateway),
        ("redis + sqlite: runs/s", Some(4500.0), 1000.0)
    );
    assert_eq!(missed(&rows), Vec::<String>::new());
    assert!(table(&rows).contains("pick-up p99 at 100/s, ms"), "{}", table(&rows));
    assert!(!table(&rows).contains("rows written"), "{}", table(&rows));
    let told = rounds.json();
    assert_eq!(told["setups"][0]["rounds"][0]["runs_per_s"], 900.0);
    assert_eq!(told["bare_jobs_per_s"]["redis"][1], 5000.0);
}

#[test]
fn a_missed_target_is_named_and_memory_has_neither_target_nor_server() {
    let rounds = Rounds {
        samples: [
            (setup(Queue::Memory, Store::Sqlite), vec![sampled(1.0, None)]),
            (setup(Queue::Postgres, Store::Postgres), vec![sampled(599.0, Some(7.0))]),
        ]
        .into(),
        bare: BTreeMap::new(),
    };
    let rows = rows(&rounds, 100);
    assert_eq!(missed(&rows), ["postgres + postgres: runs/s"]);
    assert_eq!(rows.first().unwrap().bare, None);
    let written = rows.iter().find(|row| row.what == "postgres + postgres: rows written for each run");
    assert_eq!(written.unwrap().gateway, 7.0);
}
