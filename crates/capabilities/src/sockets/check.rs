//! The check that every use of an address passes, and what an instance has to remember for it.

use crate::network::{
    NetPolicy, PRIVATE, Range, Refusal, Remembered, Resolve, Target, needs_private,
};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Denial, Denials};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use wasmtime_wasi::sockets::SocketAddrUse;

/// One instance's side of the policy.
pub struct Checks {
    pub(super) policy: Arc<NetPolicy>,
    pub(super) resolver: Arc<dyn Resolve>,
    /// Names looked up by this instance: connecting to what they resolved to is connecting to them.
    remembered: Mutex<Remembered>,
    /// Who sent datagrams to a socket that listens: answering them needs no grant of its own.
    peers: Mutex<HashSet<SocketAddr>>,
    pub(super) looking_up: AtomicUsize,
    denials: Denials,
    uses: Option<Uses>,
}

const PEERS_MAX: usize = 4096;

impl Checks {
    pub(super) fn new(policy: Arc<NetPolicy>, resolver: Arc<dyn Resolve>, core: &Core) -> Self {
        Checks {
            policy,
            resolver,
            remembered: Mutex::default(),
            peers: Mutex::default(),
            looking_up: AtomicUsize::new(0),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
        }
    }

    /// May the guest use `address` like this?
    pub(super) fn check(&self, address: SocketAddr, purpose: SocketAddrUse) -> bool {
        let unbound = address.ip().is_unspecified() && address.port() == 0;
        match purpose {
            // What comes before each connect: a local port that the system picks, and nobody can
            // connect to before a listen, which is asked about separately.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind if unbound => true,
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                self.may_listen(address, address.port())
            }
            // Bound to every address without a word above: the port is not the guest's choice.
            SocketAddrUse::TcpListen if address.ip().is_unspecified() => {
                self.may_listen(address, 0)
            }
            SocketAddrUse::TcpListen => self.may_listen(address, address.port()),
            // It reached a listener that passed the check above.
            SocketAddrUse::TcpAccept => self.policy.listens(),
            SocketAddrUse::TcpConnect => self.may_connect(address, "connect to"),
            SocketAddrUse::UdpSend => {
                lock(&self.peers).contains(&address) || self.may_connect(address, "send to")
            }
            SocketAddrUse::UdpReceive => self.may_receive(address),
        }
    }

    pub(super) fn remember(&self, ip: std::net::IpAddr, name: &crate::network::Name) {
        lock(&self.remembered).add(ip, name);
    }

    fn may_connect(&self, address: SocketAddr, verb: &str) -> bool {
        let names = lock(&self.remembered).names(address.ip());
        match self.policy.may_connect(address, &names) {
            Ok(target) => {
                self.note(format!("{target}:{}", address.port()), "connect");
                if needs_private(&target, address.ip()) {
                    self.note(PRIVATE.to_owned(), "");
                }
                true
            }
            Err(refusal) => {
                // A guest that looked a name up meant the name.
                let target = names.into_iter().next().map(Target::Name);
                self.deny_connect(address, target, verb, refusal);
                false
            }
        }
    }

    fn deny_connect(&self, to: SocketAddr, name: Option<Target>, verb: &str, refusal: Refusal) {
        let asked = match (&name, refusal) {
            (None, Refusal::NotNamed) => format!("{verb} {to}"),
            (None, Refusal::Closed(range)) => format!("{verb} {to}, {range}"),
            (Some(name), Refusal::NotNamed) => {
                format!("{verb} {name}:{} ({})", to.port(), to.ip())
            }
            (Some(name), Refusal::Closed(range)) => {
                format!("{verb} {name}:{} ({}, {range})", to.port(), to.ip())
            }
        };
        let more = match (name, refusal) {
            (Some(_), Refusal::Closed(range)) if range.opened_by_private() => PRIVATE.to_owned(),
            (Some(name), Refusal::NotNamed) => format!("{name}:{}", to.port()),
            _ => to.to_string(),
        };
        self.deny_with(asked, &more);
    }

    /// Records a denial that connecting to `more` would lift.
    pub(super) fn deny_with(&self, asked: String, more: &str) {
        let line = self.policy.line_with_connect(more);
        self.denials.record(Denial {
            asked,
            grant: "net",
            line,
            flag: format!("--net {more}"),
        });
    }

    /// Records that a granted name resolved only to addresses in closed ranges.
    pub(super) fn deny_resolved(
        &self,
        name: &crate::network::Name,
        ip: std::net::IpAddr,
        range: Range,
    ) {
        let asked = format!("connect to {name} ({ip}, {range})");
        let more = match range.opened_by_private() {
            true => PRIVATE.to_owned(),
            false => format!("{}:*", Target::Ip(ip)),
        };
        self.deny_with(asked, &more);
    }

    /// `wished` is the port that the guest chose; 0: none.
    fn may_listen(&self, address: SocketAddr, wished: u16) -> bool {
        let ip = Target::Ip(address.ip());
        if let Some(port) = self.policy.may_listen(address) {
            self.note(format!("{ip}:{port}"), "listen");
            return true;
        }
        let more = match wished {
            0 => format!("{ip}:*"),
            port => format!("{ip}:{port}"),
        };
        let line = self.policy.line_with_listen(&more);
        let (asked, flag) = (format!("listen on {more}"), format!("--bind {more}"));
        self.denials.record(Denial {
            asked,
            grant: "net",
            line,
            flag,
        });
        false
    }

    /// Datagrams come from whom the guest may send to; on a socket that listens, from anybody.
    fn may_receive(&self, from: SocketAddr) -> bool {
        let names = lock(&self.remembered).names(from.ip());
        if self.policy.may_connect(from, &names).is_ok() {
            return true;
        }
        if !self.policy.listens() {
            return false;
        }
        let mut peers = lock(&self.peers);
        if peers.len() >= PEERS_MAX {
            peers.clear();
        }
        peers.insert(from);
        true
    }

    pub(super) fn note(&self, scope: String, access: &'static str) {
        if let Some(uses) = &self.uses {
            uses.note("net", scope, access);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
