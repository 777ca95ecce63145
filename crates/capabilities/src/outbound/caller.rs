//! One instance's side: what it may call, and where that is noted.

use super::HANDLES_MAX;
use super::address::Address;
use super::way::Way;
use crate::network::{PRIVATE, Range, Target, Unreached, needs_private};
use holm_runtime::limits::{Limit, LimitHit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::seam::Uses;
use holm_runtime::trace::{Call, Span, Tracer, Value};
use holm_runtime::{Core, Denial, Denials};
use std::net::IpAddr;
use std::sync::Arc;

/// Who calls servers of one kind.
pub struct Caller {
    way: Arc<Way>,
    component: Arc<str>,
    /// Bytes by kind.
    pub flows: Arc<Flows>,
    meter: Arc<Meter>,
    denials: Denials,
    uses: Option<Uses>,
    /// Handles that are open.
    handles: usize,
    /// What was logged last.
    logged: Option<String>,
    tracer: Tracer,
}

impl Caller {
    /// A fresh instance's.
    pub fn new(way: Arc<Way>, core: &Core) -> Self {
        Caller {
            way,
            component: core.component.clone(),
            flows: core.flows.clone(),
            meter: core.budget.meter.clone(),
            denials: core.denials.clone(),
            uses: core.seam.uses().cloned(),
            handles: 0,
            logged: None,
            tracer: None,
        }
    }

    /// Who calls are told to from now on.
    pub fn trace(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// The component's way out.
    pub fn way(&self) -> &Arc<Way> {
        &self.way
    }

    /// Is the address granted? If not, the denial is noted.
    pub fn admit(&self, to: &Address) -> bool {
        let policy = self.way.policy();
        let granted = policy.may_send(to.scheme, &to.target, to.port);
        if !granted {
            self.deny(format!("connect to {to}"), &to.to_string());
        }
        granted
    }

    /// Notes what came of dialling: which grant was used, or which was missing.
    pub fn dialled(&self, to: &Address, peer: Result<IpAddr, &Unreached>) {
        let grant = self.way.policy().service().grant();
        let note = |scope: String| {
            if let Some(uses) = &self.uses {
                uses.note(grant, scope, "");
            }
        };
        match peer {
            Err(Unreached::Closed(ip, range)) => self.deny_address(to, *ip, *range),
            Err(Unreached::NotNamed) => self.deny(format!("connect to {to}"), &to.to_string()),
            Ok(ip) | Err(&Unreached::Dial(ip, _)) => {
                note(to.to_string());
                if needs_private(&to.target, ip) {
                    note(PRIVATE.to_owned());
                }
            }
            Err(_) => note(to.to_string()),
        }
    }

    /// A place for one more handle.
    pub fn seat(&mut self) -> Result<(), LimitHit> {
        if self.handles >= self.meter.allowance().outbound.min(HANDLES_MAX) {
            return Err(self.meter.reach(Limit::Outbound));
        }
        self.handles += 1;
        Ok(())
    }

    /// A handle is closed.
    pub fn leave(&mut self) {
        self.handles = self.handles.saturating_sub(1);
    }

    /// Whether so many more bytes may go over the network.
    pub fn room(&self, more: usize) -> Result<(), LimitHit> {
        self.meter.room(Limit::OutboundBytes, &self.flows, more)
    }

    /// Begins the span of a call.
    pub fn begin(
        &self,
        system: &'static str,
        operation: &str,
        to: &Address,
    ) -> Option<Box<dyn Span>> {
        let tracer = self.tracer.as_ref()?;
        let text = |text: &str| Value::Text(text.to_owned());
        tracer.begin(Call {
            name: format!("{operation} {system}"),
            remote: true,
            is: vec![
                ("db.system.name", text(system)),
                ("db.operation.name", text(operation)),
                ("server.address", Value::Text(to.target.to_string())),
                ("server.port", Value::Number(to.port.into())),
            ],
        })
    }

    /// Tells the log of a server that fails; once, however often the guest tries. It is counted each time.
    pub fn log(&mut self, to: &Address, told: &str) {
        super::failures::note(self.way.policy().service());
        let line = format!("{to}: {told}");
        if self.logged.as_deref() != Some(&line) {
            let component = &*self.component;
            tracing::warn!(component, server = %to, "{told}");
            self.logged = Some(line);
        }
    }

    fn deny_address(&self, to: &Address, ip: IpAddr, range: Range) {
        let (asked, more) = match to.target.name() {
            Some(_) if range.opened_by_private() => (
                format!("connect to {to} ({ip}, {range})"),
                PRIVATE.to_owned(),
            ),
            // The word does not open it; the address itself has to be named.
            Some(_) => {
                let literal = Address {
                    target: Target::Ip(ip),
                    ..to.clone()
                };
                let asked = format!("connect to {to} ({ip}, {range})");
                (asked, literal.to_string())
            }
            None => (format!("connect to {to}, {range}"), to.to_string()),
        };
        self.deny(asked, &more);
    }

    fn deny(&self, asked: String, more: &str) {
        let policy = self.way.policy();
        let grant = policy.service().grant();
        self.denials.record(Denial {
            asked,
            grant,
            line: policy.line_with(more),
            flag: format!("--{grant} {more}"),
        });
    }
}
