//! What a URL may look like, and that no password leaves it.
use agent_gateway_core::ErrorKind;
use agent_gateway_postgres::PostgresConfig;

fn shown(url: &str) -> String {
    format!("{:?}", PostgresConfig::parse(url).unwrap())
}

#[test]
fn every_scheme_names_the_same_database() {
    for scheme in
        ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2", "postgresql+psycopg"]
    {
        let shown = shown(&format!("{scheme}://gw:hunter2@db.example:6432/agents"));
        assert!(shown.contains("db.example:6432/agents"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("gw"), "{shown}");
    }
}

#[test]
fn settings_of_the_driver_pass_and_asyncpgs_ssl_is_understood() {
    for query in [
        "ssl=require",
        "ssl=true",
        "ssl=disable",
        "ssl=verify-full&sslrootcert=/etc/ca.pem",
        "sslmode=prefer&application_name=mine",
        "options=-c%20work_mem%3D8MB&statement-cache-capacity=0",
        "options[statement_timeout]=5s",
    ] {
        assert!(shown(&format!("postgresql+asyncpg://h/d?{query}")).contains("h:5432/d"), "{query}");
    }
    assert!(shown("postgresql:///d?host=/run/postgresql").contains("/run/postgresql:5432/d"));
    assert!(shown("postgresql://h/d?dbname=e&port=7").contains("h:7/e"));
}

#[test]
fn anything_else_is_refused_without_showing_the_password() {
    for bad in [
        "",
        "hunter2",
        "hunter2://h/d",
        "mysql://u:hunter2@h/d",
        "postgres://u:hunter2/x@h/d",
        "postgres://u:12/hunter2@h/d",
        "postgres://u:1#hunter2@h/d",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@h/d?sslmode=hunter2",
        "postgres://u@h/d?ssl=hunter2",
        "postgres://u@h/d?unknown=hunter2",
    ] {
        let error = PostgresConfig::parse(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{bad}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{bad}: {error:?}");
    }
}
