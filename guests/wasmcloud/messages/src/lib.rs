//! A component of wasmCloud's that takes messages and sends some: it prints each message that it takes,
//! publishes its data to the topic `out`, and sends it back to whoever asks for an answer. `ask TOPIC` asks
//! there and prints what comes back.

wit_bindgen::generate!({
    inline: "
        package holm:messages;
        world messages {
            export wasmcloud:messaging/handler@0.2.0;
        }
    ",
    path: "../../../wit/wasmcloud-messaging@0.2.0",
    world: "holm:messages/messages",
    with: {
        "wasmcloud:messaging/types@0.2.0": wasmcloud_component::wasmcloud::messaging::types,
    },
    generate_all,
});

use wasmcloud_component::wasmcloud::messaging::consumer;
use wasmcloud_component::wasmcloud::messaging::types::BrokerMessage;

struct Component;
export!(Component);

impl exports::wasmcloud::messaging::handler::Guest for Component {
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
