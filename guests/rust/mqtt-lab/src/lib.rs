//! A component as Spin's trigger for MQTT calls it: it prints topic and data of what it takes, and fails
//! at `fail`.

wit_bindgen::generate!({
    path: "../../../wit/spin-mqtt-trigger@3.0.0",
    world: "spin:mqtt-trigger/spin-mqtt",
    generate_all,
});

struct Lab;
export!(Lab);

impl Guest for Lab {
    async fn handle_message(message: Vec<u8>, metadata: Metadata) -> Result<(), Error> {
        let text = String::from_utf8_lossy(&message);
        println!("{} {text}", metadata.topic);
        match &*text {
            "fail" => Err(Error::Other("asked to".to_owned())),
            _ => Ok(()),
        }
    }
}
