//! Databases and brokers behind a cable that is cut in the middle of a call, and mended.

use crate::app::*;
use crate::apps_admin::metrics;
use crate::support::*;
use crate::up_data::{ask, lab, origin, server};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What goes over the cable; `None` while it is cut.
type Ends = Arc<Mutex<Option<Vec<TcpStream>>>>;

/// A cable to a server.
struct Cable {
    /// The server's address, by way of the cable.
    address: String,
    ends: Ends,
}

impl Cable {
    fn to(address: &str) -> Cable {
        let real = origin(address);
        let real = real.split_once("://").unwrap().1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let cable = Cable {
            address: address.replace(&real, &here),
            ends: Arc::new(Mutex::new(Some(Vec::new()))),
        };
        let ends = cable.ends.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut ends = ends.lock().unwrap();
                // While it is cut nobody gets further than to here.
                let Some(ends) = &mut *ends else { continue };
                let far = TcpStream::connect(&real).unwrap();
                for (mut from, mut to) in [(&near, &far), (&far, &near)]
                    .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                ends.extend([near, far]);
            }
        });
        cable
    }

    fn cut(&self) {
        for end in self.ends.lock().unwrap().take().unwrap_or_default() {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        *self.ends.lock().unwrap() = Some(Vec::new());
    }

    /// Grows with each connection.
    fn used(&self) -> usize {
        self.ends.lock().unwrap().as_ref().map_or(0, Vec::len)
    }
}

/// A call that fails with the server is an error of the interface, and long before any time is over.
#[track_caller]
fn fails(server: &Server, path: &str, query: &[(&str, &str)]) {
    let began = Instant::now();
    let answer = ask(server, path, query);
    let told = answer["error"].as_str().unwrap_or_default();
    assert!(told.starts_with("Error::"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(20), "{answer}");
}

fn cut_and_mended(
    capability: &str,
    variable: &str,
    quick: &[(&str, &str)],
    slow: Option<(&str, &str)>,
) {
    let cable = Cable::to(&server(variable));
    let app = lab(&format!(
        "grants.{capability} = [{:?}]",
        origin(&cable.address)
    ));
    let up = app.up_with(&["--admin", "unix:admin.sock"]);
    let path = format!("/{capability}");
    let at = ("address", cable.address.as_str());
    let quick = [&[at], quick].concat();
    let works = || ask(&up, &path, &quick)["error"].is_null().then_some(());
    works().expect("it works at first");
    if let Some((option, slow)) = slow {
        // Another log-in has a connection of its own.
        let address = format!("{}?{option}", cable.address);
        let before = cable.used();
        std::thread::scope(|scope| {
            scope.spawn(|| fails(&up, &path, &[("address", &address), ("sql", slow)]));
            until("the call is under way", || {
                (cable.used() > before).then_some(())
            });
            cable.cut();
        });
    }
    cable.cut();
    fails(&up, &path, &quick);
    cable.mend();
    until("it works again", works);
    let (_, text) = metrics(&app.dir().join("admin.sock"));
    let sample = format!("holm_connection_failures_total{{capability=\"{capability}\"}} ");
    let count = text.lines().find_map(|line| line.strip_prefix(&sample));
    let count: u64 = count.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(count >= 1 + u64::from(slow.is_some()), "{count}");
}

#[test]
fn a_postgres_that_is_cut_off_is_an_error_in_time_and_comes_back() {
    let quick = [("sql", "SELECT 1")];
    let slow = Some(("application_name=slow", "SELECT pg_sleep(1000)"));
    cut_and_mended("postgres", "HOLM_TEST_POSTGRES", &quick, slow);
}

#[test]
fn a_mysql_that_is_cut_off_is_an_error_in_time_and_comes_back() {
    let quick = [("sql", "SELECT 1")];
    cut_and_mended(
        "mysql",
        "HOLM_TEST_MYSQL",
        &quick,
        Some(("wait_timeout=1", "SELECT SLEEP(1000)")),
    );
}

#[test]
fn a_broker_that_is_cut_off_is_an_error_in_time_and_comes_back() {
    let quick = [("topic", "holm/cut"), ("payload", "x"), ("qos", "1")];
    cut_and_mended("mqtt", "HOLM_TEST_MQTT", &quick, None);
}
