//! MQTT.

use crate::{server, way};
use bytes::{Bytes, BytesMut};
use holm_capabilities::mqtt::session as mqtt;
use holm_capabilities::network::Service;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, Packet, Subscribe};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn mqtt_session(address: &str) -> mqtt::Session {
    let (way, keep_alive) = (way(Service::Mqtt), Duration::from_secs(30));
    mqtt::Session::new(&way, address, String::new(), String::new(), keep_alive).unwrap()
}

/// Listens to a topic with the library's codec, on a connection of its own.
struct Listener {
    stream: TcpStream,
    read: BytesMut,
}

impl Listener {
    async fn to(topic: &str) -> Listener {
        let address = server("HOLM_TEST_MQTT");
        let stream = TcpStream::connect(address.strip_prefix("mqtt://").unwrap());
        let mut listener = Listener {
            stream: stream.await.unwrap(),
            read: BytesMut::new(),
        };
        let name = format!("listener-{topic}").replace('/', "-");
        listener.send(Packet::Connect(Connect::new(name))).await;
        assert!(matches!(listener.next().await, Packet::ConnAck(_)));
        let mut subscribe = Subscribe::new(topic, QoS::AtMostOnce);
        subscribe.pkid = 1;
        listener.send(Packet::Subscribe(subscribe)).await;
        assert!(matches!(listener.next().await, Packet::SubAck(_)));
        listener
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn next(&mut self) -> Packet {
        loop {
            if let Ok(packet) = Packet::read(&mut self.read, usize::MAX) {
                return packet;
            }
            assert!(self.stream.read_buf(&mut self.read).await.unwrap() > 0);
        }
    }

    async fn message(&mut self) -> Bytes {
        match self.next().await {
            Packet::Publish(message) => message.payload,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_arrives_at_each_quality_of_service() {
    let mut listener = Listener::to("holm/each").await;
    let mut session = mqtt_session(&server("HOLM_TEST_MQTT"));
    session.connect().await.unwrap();
    // The log-in counts too.
    assert!(session.moved().0 > 0);
    for (qos, text) in [
        (QoS::AtMostOnce, "zero"),
        (QoS::AtLeastOnce, "one"),
        (QoS::ExactlyOnce, "two"),
        (QoS::ExactlyOnce, "three"),
    ] {
        let sent = session.publish("holm/each".to_owned(), text.as_bytes().to_vec(), qos);
        sent.await.unwrap();
        let (read, written) = session.moved();
        assert_eq!(read > 0, qos != QoS::AtMostOnce, "{text}");
        assert!(written > text.len());
        assert_eq!(listener.message().await, text.as_bytes());
    }
    let large = vec![7; 1 << 20];
    session
        .publish("holm/each".to_owned(), large.clone(), QoS::AtLeastOnce)
        .await
        .unwrap();
    assert_eq!(listener.message().await, large);
    session.close().await;
}

#[tokio::test]
async fn a_broker_that_never_acknowledges_is_an_error() {
    let broker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("mqtt://{}", broker.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = broker.accept().await.unwrap();
            // CONNACK, and then nothing.
            stream.write_all(&[0x20, 2, 0, 0]).await.unwrap();
            held.push(stream);
        }
    });
    let mut session = mqtt_session(&address).patient(Duration::from_millis(50));
    let sent = session
        .publish("a".to_owned(), b"x".to_vec(), QoS::AtLeastOnce)
        .await;
    match sent.unwrap_err() {
        mqtt::Fault::Other(told) => assert_eq!(told, "no answer within 50 ms"),
        other => panic!("{other:?}"),
    }
    // Whoever wants no acknowledgement is not kept waiting.
    session
        .publish("a".to_owned(), b"x".to_vec(), QoS::AtMostOnce)
        .await
        .unwrap();
    server.abort();
}

/// A server that accepts and never says anything.
async fn silent() -> (u16, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (port, task)
}

#[tokio::test]
async fn who_connects_waits_for_an_answer() {
    let patience = Duration::from_millis(50);
    let (port, _task) = silent().await;
    let address = format!("mqtt://127.0.0.1:{port}");
    let mut broker = mqtt_session(&address);
    let connected = tokio::time::timeout(patience, broker.connect()).await;
    assert!(connected.is_err(), "who connects waits for an answer");
}
