//! Addresses and messages, without a broker.

use super::session::{Fault, MESSAGE_BYTES_MAX, Session};
use crate::network::{OriginPolicy, Service, System};
use crate::outbound::Way;
use rumqttc::mqttbytes::QoS;
use std::sync::Arc;
use std::time::Duration;

fn session(address: &str) -> Result<Session, Fault> {
    let policy = OriginPolicy::of(Service::Mqtt);
    let way = Arc::new(Way::new(policy, Arc::new(System::default())));
    let keep_alive = Duration::from_secs(30);
    Session::new(&way, address, String::new(), String::new(), keep_alive)
}

#[test]
fn an_address_has_a_scheme_and_a_host() {
    assert!(session("mqtt://localhost:1883?client_id=me").is_ok());
    assert!(session("mqtts://broker.example.com").is_ok());
    for address in [
        "",
        "localhost:1883",
        "tcp://localhost",
        "mqtt://",
        "mqtt:///x",
    ] {
        let made = session(address).map(|_| ());
        assert!(matches!(made, Err(Fault::BadAddress)), "{address}");
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused_before_anything_is_dialled() {
    let mut session = session("mqtt://localhost").unwrap();
    for (topic, payload) in [
        ("", 0),
        ("a/+", 0),
        ("a/#", 0),
        ("a\0", 0),
        ("a", MESSAGE_BYTES_MAX + 1),
    ] {
        let sent = session.publish(topic.to_owned(), vec![0; payload], QoS::AtLeastOnce);
        assert!(matches!(sent.await, Err(Fault::BadMessage(_))), "{topic:?}");
    }
    // One that could is not granted.
    let sent = session
        .publish("a".to_owned(), Vec::new(), QoS::AtLeastOnce)
        .await;
    assert!(matches!(sent, Err(Fault::Unreached(_))));
}
