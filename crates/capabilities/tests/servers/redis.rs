//! Redis.

use crate::{nowhere, server, way};
use holm_capabilities::network::{Service, Unreached};
use holm_capabilities::redis::session as redis;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

fn redis_client() -> Arc<redis::Client> {
    Arc::new(redis::Client::new(way(Service::Redis)))
}

async fn ask(session: &mut redis::Session, words: &[&str]) -> Result<::redis::Value, redis::Fault> {
    let mut command = ::redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    session.ask(&command, redis::Leaves::by(words[0])).await
}

async fn redis_id(session: &mut redis::Session) -> i64 {
    // The client's number says which connection it is; asking for it changes nothing.
    let mut command = ::redis::cmd("CLIENT");
    command.arg("ID");
    match session.ask(&command, redis::Leaves::Nothing).await.unwrap() {
        ::redis::Value::Int(id) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn redis_keeps_connections_that_are_clean() {
    let (client, address) = (redis_client(), server("HOLM_TEST_REDIS"));
    let mut first = redis::Session::new(&client, &address).unwrap();
    let id = redis_id(&mut first).await;
    drop(first);
    let mut second = redis::Session::new(&client, &address).unwrap();
    assert_eq!(redis_id(&mut second).await, id);
    // Two at once are two.
    let mut third = redis::Session::new(&client, &address).unwrap();
    assert_ne!(redis_id(&mut third).await, id);
    // What is within a transaction is nobody else's.
    ask(&mut second, &["MULTI"]).await.unwrap();
    drop((second, third));
    let mut ids = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut session = redis::Session::new(&client, &address).unwrap();
        ids.push(redis_id(&mut session).await);
        sessions.push(session);
    }
    assert!(!ids.contains(&id), "{ids:?} {id}");
}

#[tokio::test]
async fn redis_says_what_a_server_says() {
    let (client, address) = (redis_client(), server("HOLM_TEST_REDIS"));
    let mut session = redis::Session::new(&client, &address).unwrap();
    ask(&mut session, &["SET", "holm:text", "abc"])
        .await
        .unwrap();
    match ask(&mut session, &["INCR", "holm:text"]).await.unwrap_err() {
        redis::Fault::Server(error) => assert!(error.to_string().contains("not an integer")),
        other => panic!("{other:?}"),
    }
    // And the connection is as good as before.
    let value = ask(&mut session, &["GET", "holm:text"]).await.unwrap();
    assert_eq!(value, ::redis::Value::BulkString(b"abc".to_vec()));
    let wrong = redis::Session::new(&client, &address.replace("redis://", "redis://:wrong@"));
    assert!(matches!(
        wrong.unwrap().connect().await,
        Err(redis::Fault::Server(_))
    ));
}

#[tokio::test]
async fn a_server_that_is_not_granted_is_not_dialled() {
    let client = Arc::new(redis::Client::new(nowhere(Service::Redis)));
    let mut session = redis::Session::new(&client, &server("HOLM_TEST_REDIS")).unwrap();
    let refused = session.connect().await.unwrap_err();
    assert!(
        matches!(refused, redis::Fault::Unreached(Unreached::Closed(..))),
        "{refused:?}"
    );
}

/// A Redis of a test's own, at a port that was free.
struct Own {
    port: u16,
    child: Child,
}

impl Own {
    fn start(port: u16) -> Own {
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Own { port, child }
    }

    fn kill(mut self) -> u16 {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.port
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

async fn until_up(session: &mut redis::Session) {
    for _ in 0..100 {
        if ask(session, &["PING"]).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no server came up");
}

#[tokio::test]
async fn a_redis_that_dies_in_a_call_is_an_error_and_the_next_call_works_again() {
    let own = Own::start(free_port().await);
    let client = redis_client();
    let address = format!("redis://127.0.0.1:{}", own.port);
    let mut session = redis::Session::new(&client, &address).unwrap();
    until_up(&mut session).await;
    let waiting = ask(&mut session, &["BLPOP", "nothing", "0"]);
    let killed = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        own.kill()
    };
    let (answer, port) = tokio::join!(waiting, killed);
    assert!(matches!(answer, Err(redis::Fault::Server(_))), "{answer:?}");
    assert!(
        ask(&mut session, &["PING"]).await.is_err(),
        "there is no server"
    );
    let _again = Own::start(port);
    until_up(&mut session).await;
}

#[tokio::test]
async fn a_call_has_an_end() {
    let patience = Duration::from_millis(50);
    let client = redis::Client::new(way(Service::Redis)).patient(patience);
    let client = Arc::new(client);
    let mut session = redis::Session::new(&client, &server("HOLM_TEST_REDIS")).unwrap();
    match ask(&mut session, &["BLPOP", "holm:nothing", "0"])
        .await
        .unwrap_err()
    {
        redis::Fault::Other(told) => assert_eq!(told, "no answer within 50 ms"),
        other => panic!("{other:?}"),
    }
    ask(&mut session, &["PING"]).await.unwrap();
}

#[tokio::test]
async fn a_transaction_of_redis_that_was_lost_is_an_error_for_good() {
    let (client, address) = (redis_client(), server("HOLM_TEST_REDIS"));
    for set_up in [&["MULTI"][..], &["SELECT", "3"]] {
        let mut session = redis::Session::new(&client, &address).unwrap();
        let id = redis_id(&mut session).await.to_string();
        ask(&mut session, set_up).await.unwrap();
        let mut killer = redis::Session::new(&client, &address).unwrap();
        ask(&mut killer, &["CLIENT", "KILL", "ID", &id])
            .await
            .unwrap();
        // The next call may find the connection broken, or already gone.
        let _ = ask(&mut session, &["SET", "holm:lost", "1"]).await;
        for _ in 0..2 {
            let lost = ask(&mut session, &["SET", "holm:lost", "1"])
                .await
                .unwrap_err();
            assert!(matches!(lost, redis::Fault::Lost), "{lost:?}");
        }
        assert_eq!(
            ask(&mut killer, &["GET", "holm:lost"]).await.unwrap(),
            ::redis::Value::Nil
        );
    }
    // One that is over does not bind.
    let mut session = redis::Session::new(&client, &address).unwrap();
    let id = redis_id(&mut session).await.to_string();
    ask(&mut session, &["MULTI"]).await.unwrap();
    ask(&mut session, &["EXEC"]).await.unwrap();
    let mut killer = redis::Session::new(&client, &address).unwrap();
    ask(&mut killer, &["CLIENT", "KILL", "ID", &id])
        .await
        .unwrap();
    let _ = ask(&mut session, &["PING"]).await;
    until_up(&mut session).await;
}

#[tokio::test]
async fn answers_of_redis_count_as_what_they_take_in_memory() {
    let (client, address) = (redis_client(), server("HOLM_TEST_REDIS"));
    let mut session = redis::Session::new(&client, &address).unwrap();
    // Eight megabytes on the wire, and many times that in memory.
    let many = "local t = {} for i = 1, 2000000 do t[i] = 1 end return t";
    match ask(&mut session, &["EVAL", many, "0"]).await.unwrap_err() {
        redis::Fault::Other(told) => assert_eq!(told, "the answer is larger than 64 MiB"),
        other => panic!("{other:?}"),
    }
    assert!(session.moved().1 > many.len());
    // Few large ones are no worse than their bytes.
    let large = "return string.rep('x', 32 * 1024 * 1024)";
    ask(&mut session, &["EVAL", large, "0"]).await.unwrap();
}
