//! A component of wasmCloud's world: it prints each message that it takes, publishes its data to the
//! topic `out`, and sends it back to whoever asks for an answer. `ask TOPIC` asks there and prints what
//! comes back.

wit_bindgen::generate!({
    inline: "
        package holm:message-lab-wasmcloud;
        world lab {
            import wasmcloud:messaging/consumer@0.2.0;
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    path: "../../../wit/wasmcloud-messaging@0.2.0",
    world: "holm:message-lab-wasmcloud/lab",
    generate_all,
});

use wasmcloud::messaging::consumer;
use wasmcloud::messaging::types::BrokerMessage;

struct Lab;
export!(Lab);

impl exports::wasmcloud::messaging::handler::Guest for Lab {
    fn handle_message(msg: BrokerMessage) -> Result<(), String> {
        let text = String::from_utf8_lossy(&msg.body).into_owned();
        println!("{} {text}", msg.subject);
        if let Some(topic) = text.strip_prefix("ask ") {
            let answer = consumer::request(topic, b"hello", 10_000)?;
            println!("answered {}", String::from_utf8_lossy(&answer.body));
            return Ok(());
        }
        let subject = msg.reply_to.unwrap_or_else(|| "out".to_owned());
        consumer::publish(&BrokerMessage {
            subject,
            body: msg.body,
            reply_to: None,
        })
    }
}
