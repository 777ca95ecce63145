//! A component for Spin's trigger for Redis, as its users write one for WASI 0.3: it prints what it takes,
//! and fails at `fail`.
use bytes::Bytes;
use spin_sdk::redis_subscriber;

#[redis_subscriber]
async fn on_message(message: Bytes) -> anyhow::Result<()> {
    let text = std::str::from_utf8(&message)?;
    println!("took {text}");
    anyhow::ensure!(text != "fail", "asked to");
    Ok(())
}
