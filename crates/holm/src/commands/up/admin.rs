//! `--admin`: the socket or port that `holm apps` calls.

use super::Args;
use crate::out;
use holm_host::admin::{Address, Admin, Listener, TOKEN_VARIABLE, Token};
use holm_runtime::Result;
use std::convert::Infallible;
use std::sync::Arc;

/// Listens where it was asked for, and says where that is.
pub(super) async fn listen(args: &Args) -> Result<Option<Listener>> {
    let Some(text) = &args.admin else {
        return Ok(None);
    };
    let address = Address::parse(text)?;
    let token = match address {
        Address::Unix(_) => None,
        Address::Port(_) => Token::text(args.admin_token_file.as_deref(), TOKEN_VARIABLE)?,
    };
    let token = token.map(|text| Token::new(&text)).transpose()?;
    let listener = Listener::bind(&address, token).await?;
    // For programs that wait for it, as the line of the server itself is.
    out::line(format_args!("Admin {}", listener.address()));
    Ok(Some(listener))
}

/// Answers callers for as long as it is polled.
pub(super) async fn answer(
    listener: Option<Listener>,
    admin: impl FnOnce() -> Admin,
) -> Infallible {
    if let Some(listener) = listener {
        listener.serve(Arc::new(admin())).await;
    }
    std::future::pending().await
}
