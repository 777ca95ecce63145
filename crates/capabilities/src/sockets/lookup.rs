//! Name look-ups in the guest's place: `wasi:sockets/ip-name-lookup`, 0.2 and 0.3.
//!
//! WASI separates looking a name up from connecting to an address, so a policy about names has to
//! stand between the two. A name that no grant covers is not asked about at all (a question to a
//! name server is a message to whoever runs it); of what a granted name resolves to, the guest gets
//! only the addresses that it may use, and the instance remembers under which name they came.

use super::check::Checks;
use crate::network::{Name, PRIVATE, Target, look_up, needs_private};
use crate::{Era, State};
use holm_runtime::cross;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::vec;
use wasmtime::component::{Accessor, HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network as p2;
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, SocketResult};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as p3;
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;

/// Look-ups of one instance that may be under way at once.
const LOOK_UPS_MAX: usize = 64;

/// The degree in which a look-up uses `net`; connecting to the name takes it in.
pub const LOOK_UP: &str = "look up";

/// Why there are no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not a name.
    Invalid,
    /// Not granted.
    Denied,
    /// The resolver knows none.
    Unknown,
    /// Too many look-ups at once.
    Busy,
}

type Found = Result<vec::IntoIter<IpAddr>, Failure>;

impl Checks {
    /// Decides about `name`; if it may be looked up, the look-up is still to be awaited.
    pub(super) fn resolve(
        self: &Arc<Self>,
        name: &str,
    ) -> Result<impl Future<Output = Result<Vec<IpAddr>, Failure>> + Send + use<>, Failure> {
        let target = match name.parse::<Ipv6Addr>() {
            Ok(ip) => Target::Ip(ip.into()),
            Err(_) => Target::parse(name).ok_or(Failure::Invalid)?,
        };
        if let Target::Name(name) = &target {
            let Some(port) = self.policy.may_look_up(name) else {
                self.deny_with(format!("look up {name}"), &format!("{name}:*"));
                return Err(Failure::Denied);
            };
            self.note(format!("{name}:{port}"), LOOK_UP);
        }
        if self.looking_up.fetch_add(1, Relaxed) >= LOOK_UPS_MAX {
            self.looking_up.fetch_sub(1, Relaxed);
            return Err(Failure::Busy);
        }
        let under_way = UnderWay(self.clone());
        Ok(async move {
            match target {
                Target::Ip(ip) => Ok(vec![ip]),
                Target::Name(name) => under_way.0.resolve_granted(&name).await,
            }
        })
    }

    async fn resolve_granted(&self, name: &Name) -> Result<Vec<IpAddr>, Failure> {
        let mut addresses = look_up(&*self.resolver, name).await.map_err(|error| {
            tracing::debug!(%name, %error, "look-up failed");
            Failure::Unknown
        })?;
        let mut closed = None;
        addresses.retain(|&ip| match self.policy.may_resolve_to(name, ip) {
            Ok(()) => {
                self.remember(ip, name);
                true
            }
            Err(range) => {
                closed = Some((ip, range));
                false
            }
        });
        match closed {
            Some((ip, range)) if addresses.is_empty() => {
                self.deny_resolved(name, ip, range);
                Err(Failure::Denied)
            }
            _ if addresses.is_empty() => Err(Failure::Unknown),
            _ => {
                let target = Target::Name(name.clone());
                if addresses.iter().all(|&ip| needs_private(&target, ip)) {
                    self.note(PRIVATE.to_owned(), "");
                }
                Ok(addresses)
            }
        }
    }
}

/// A look-up that counts until it is done or given up.
struct UnderWay(Arc<Checks>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.looking_up.fetch_sub(1, Relaxed);
    }
}

/// The resource `resolve-address-stream` of 0.2.
pub enum Lookup {
    /// Under way.
    Pending(AbortOnDropJoinHandle<Result<Vec<IpAddr>, Failure>>),
    /// Done.
    Ready(Found),
}

impl Lookup {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&mut Found> {
        if let Lookup::Pending(handle) = self {
            let Poll::Ready(found) = Pin::new(handle).poll(cx) else {
                return Poll::Pending;
            };
            *self = Lookup::Ready(found.map(Vec::into_iter));
        }
        match self {
            Lookup::Ready(found) => Poll::Ready(found),
            Lookup::Pending(_) => Poll::Pending,
        }
    }
}

#[async_trait::async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll(cx).map(|_| ())).await
    }
}

/// Links the rows.
pub fn link(linker: &mut Linker<State>, era: Era) -> wasmtime::Result<()> {
    cross!(linker, "wasi:sockets/ip-name-lookup", "@0.2.12", HasSelf<State>, whole, {
        drop "resolve-address-stream" Lookup = drop_lookup;
        sync fallible(convert) "[method]resolve-address-stream.resolve-next-address" =
            resolve_next_address { a };
        sync value "[method]resolve-address-stream.subscribe" = subscribe { a };
        sync fallible(convert) "resolve-addresses" = resolve_addresses { a, b };
    });
    if era == Era::P3 {
        cross!(linker, "wasi:sockets/ip-name-lookup", "@0.3.0", HasSelf<State>, whole, {
            concurrent value "resolve-addresses" = resolve_addresses_0_3 { a };
        });
    }
    Ok(())
}

/// The part of the state that the functions of this folder work on: all of it.
pub(super) fn whole(state: &mut State) -> &mut State {
    state
}

/// What the bindings do with errors that are not the guest's.
pub(super) fn convert(
    _: &mut &mut State,
    error: wasmtime_wasi::p2::SocketError,
) -> wasmtime::Result<p2::ErrorCode> {
    error.downcast()
}

fn resolve_addresses(
    state: &mut &mut State,
    network: Resource<Network>,
    name: String,
) -> SocketResult<Resource<Lookup>> {
    let (table, parts) = state.table_and_parts();
    table.get(&network)?;
    let look_up = parts.sockets.checks.resolve(&name).map_err(code_0_2)?;
    let lookup = Lookup::Pending(wasmtime_wasi::runtime::spawn(look_up));
    Ok(table.push(lookup)?)
}

fn resolve_next_address(
    state: &mut &mut State,
    lookup: Resource<Lookup>,
) -> SocketResult<Option<p2::IpAddress>> {
    let lookup = state.table_and_parts().0.get_mut(&lookup)?;
    match lookup.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Err(p2::ErrorCode::WouldBlock.into()),
        Poll::Ready(Ok(addresses)) => Ok(addresses.next().map(Into::into)),
        Poll::Ready(Err(failure)) => Err(code_0_2(*failure).into()),
    }
}

fn subscribe(
    state: &mut &mut State,
    lookup: Resource<Lookup>,
) -> wasmtime::Result<Resource<DynPollable>> {
    wasmtime_wasi::p2::subscribe(state.table_and_parts().0, lookup)
}

fn drop_lookup(state: &mut &mut State, lookup: Resource<Lookup>) -> wasmtime::Result<()> {
    state.table_and_parts().0.delete(lookup)?;
    Ok(())
}

async fn resolve_addresses_0_3(
    store: &Accessor<State, HasSelf<State>>,
    name: String,
) -> wasmtime::Result<
    Result<Vec<wasmtime_wasi::p3::bindings::sockets::types::IpAddress>, p3::ErrorCode>,
> {
    let started = store.with(|mut state| {
        let state: &mut State = state.get();
        state.parts.sockets.checks.resolve(&name)
    });
    let found = match started {
        Ok(look_up) => look_up.await,
        Err(failure) => Err(failure),
    };
    Ok(match found {
        Ok(addresses) => Ok(addresses.into_iter().map(Into::into).collect()),
        Err(failure) => Err(match failure {
            Failure::Invalid => p3::ErrorCode::InvalidArgument,
            Failure::Denied => p3::ErrorCode::AccessDenied,
            Failure::Unknown => p3::ErrorCode::NameUnresolvable,
            Failure::Busy => p3::ErrorCode::TemporaryResolverFailure,
        }),
    })
}

fn code_0_2(failure: Failure) -> p2::ErrorCode {
    match failure {
        Failure::Invalid => p2::ErrorCode::InvalidArgument,
        Failure::Denied => p2::ErrorCode::AccessDenied,
        Failure::Unknown => p2::ErrorCode::NameUnresolvable,
        Failure::Busy => p2::ErrorCode::TemporaryResolverFailure,
    }
}
