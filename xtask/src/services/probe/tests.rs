use std::io::{Cursor, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// What the server says, whatever it is told; and what it was told.
struct Script {
    says: Cursor<Vec<u8>>,
    heard: Vec<u8>,
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.says.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.heard.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn script(says: &[&[u8]]) -> Script {
    Script { says: Cursor::new(says.concat()), heard: Vec::new() }
}

fn address(service: Service, url: &str) -> Address {
    Address::read(service, url).unwrap()
}

fn text(asked: Result<Answer>) -> String {
    explain(&asked.unwrap_err())
}

#[test]
fn a_url_is_read_with_its_escapes_and_defaults() {
    let rabbit = address(Service::RabbitMq, "amqp://me:a%40b@[::1]/%2f");
    assert_eq!((rabbit.host.as_str(), rabbit.port, rabbit.path.as_str()), ("::1", 5672, "/"));
    assert_eq!((rabbit.user.as_str(), rabbit.password.as_deref()), ("me", Some("a@b")));
    assert!(!rabbit.encrypted);
    assert!(address(Service::Redis, "rediss://cache/0").encrypted);
    assert!(address(Service::Postgres, "postgres://db/x?sslmode=verify-full").encrypted);
    assert_eq!(decode("100%"), "100%");
}

#[test]
fn a_url_of_another_service_is_wrong_and_its_password_stays_hidden() {
    let Answer::Wrong(why) = probe(Service::Redis, "postgres://me:hush@db/x") else { panic!() };
    assert!(why.contains("begins with postgres:, not redis: or rediss:"), "{why}");
    let Answer::Wrong(why) = probe(Service::Redis, "redis//:hush@db") else { panic!() };
    assert!(!why.contains("hush"), "{why}");
}

#[test]
fn redis_answers_ping_after_the_password() {
    let mut server = script(&[b"+OK\r\n", b"+PONG\r\n"]);
    let asked = redis::ask(&mut server, &address(Service::Redis, "redis://:pw@h/0"));
    assert_eq!(asked.unwrap(), Answer::Ready);
    assert_eq!(server.heard, b"*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n*1\r\n$4\r\nPING\r\n");

    let plain = address(Service::Redis, "redis://h/0");
    let closed = redis::ask(&mut script(&[b"-NOAUTH Authentication required.\r\n"]), &plain);
    assert_eq!(text(closed), "it says NOAUTH Authentication required.");
    assert_eq!(
        text(redis::ask(&mut script(&[b"HTTP/1.1 400 Bad Request\r\n"]), &plain)),
        "it speaks another protocol"
    );
    assert_eq!(text(redis::ask(&mut script(&[]), &plain)), "it closes the connection");
}

#[test]
fn postgres_lets_in_or_says_why_not() {
    let ready: &[u8] = b"Z\0\0\0\x05I";
    let welcome: &[u8] = b"R\0\0\0\x08\0\0\0\0";
    let clear: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
    let open = address(Service::Postgres, "postgres://postgres@h/db");
    let closed = address(Service::Postgres, "postgres://postgres:pw@h/db");

    let mut server = script(&[welcome, b"S\0\0\0\x08a\0b\0", ready]);
    assert_eq!(postgres::ask(&mut server, &open).unwrap(), Answer::Ready);
    assert!(String::from_utf8_lossy(&server.heard).contains("user\0postgres\0database\0db\0\0X"));

    let mut server = script(&[clear, welcome, ready]);
    assert_eq!(postgres::ask(&mut server, &closed).unwrap(), Answer::Ready);
    assert!(server.heard.windows(8).any(|part| part == b"p\0\0\0\x07pw\0"));

    assert_eq!(text(postgres::ask(&mut script(&[clear]), &open)), "it asks postgres for a password");
    let scram: &[u8] = b"R\0\0\0\x08\0\0\0\x0a";
    assert!(matches!(postgres::ask(&mut script(&[scram]), &closed), Ok(Answer::Unchecked(_))));
    let error: &[u8] = b"E\0\0\0\x16SFATAL\0Mtoo many\0\0";
    assert_eq!(text(postgres::ask(&mut script(&[error]), &open)), "it says too many");
    assert_eq!(
        text(postgres::ask(&mut script(&[b"-ERR unknown command"]), &open)),
        "it speaks another protocol"
    );
}

fn frame(method: [u8; 4], arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(4 + arguments.len()).unwrap().to_be_bytes();
    [&[1, 0, 0], length.as_slice(), &method, arguments, &[0xCE]].concat()
}

#[test]
fn rabbitmq_takes_the_user_and_the_virtual_host() {
    let address = address(Service::RabbitMq, "amqp://guest:guest@h/%2f");
    let start = frame([0, 10, 0, 10], &[0, 9]);
    let tune = frame([0, 10, 0, 30], &[7, 255, 0, 2, 0, 0, 0, 60]);
    let opened = frame([0, 10, 0, 41], &[0]);
    let mut server = script(&[&start, &tune, &opened]);
    assert_eq!(amqp::ask(&mut server, &address).unwrap(), Answer::Ready);
    assert!(server.heard.starts_with(b"AMQP\0\0\x09\x01"));
    assert!(server.heard.windows(12).any(|part| part == b"\0guest\0guest"));

    let thrown_out = text(amqp::ask(&mut script(&[&start]), &address));
    assert_eq!(thrown_out, "it refuses guest: it closes the connection");
    let close = frame([0, 10, 0, 50], b"\x02\x12\x07no host\0\0\0\0");
    let refused = text(amqp::ask(&mut script(&[&start, &tune, &close]), &address));
    assert_eq!(refused, "it refuses the virtual host /: it says no host");
    assert_eq!(text(amqp::ask(&mut script(&[b"AMQP\x03\x01\0\0"]), &address)), "it speaks another protocol");
}

#[test]
fn nobody_and_silence_are_told_apart() {
    let [port] = crate::services::process::free_ports().unwrap();
    let url = format!("redis://127.0.0.1:{port}/0");
    let Answer::Nobody(why) = probe(Service::Redis, &url) else { panic!() };
    assert_eq!(why, format!("nothing listens at 127.0.0.1:{port}"));

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://127.0.0.1:{}/0", listener.local_addr().unwrap().port());
    let closing = thread::spawn(move || drop(listener.accept()));
    assert!(matches!(probe(Service::Redis, &url), Answer::Wrong(_)));
    closing.join().unwrap();
}
