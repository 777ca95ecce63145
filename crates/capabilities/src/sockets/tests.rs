//! What a guest meets: addresses it may use, names it may look up, how many sockets it may hold.

use super::check::Checks;
use super::count::{accept, create_tcp, create_tcp_0_3, create_udp, drop_tcp};
use super::lookup::Failure;
use super::*;
use crate::network::{Answer, Name};
use crate::{Grants, Place};
use holm_runtime::limits::{Allowance, Budget};
use holm_runtime::seam::Uses;
use holm_runtime::{Core, Denial, Watch};
use std::net::{IpAddr, SocketAddr};
use wasmtime_wasi::p2::bindings::sockets::network as p2;
use wasmtime_wasi::p2::bindings::sockets::{instance_network, tcp};
use wasmtime_wasi::p3::bindings::sockets::types as p3;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView as _};

/// Sockets of an instance in these tests.
pub(super) const SOCKETS_MAX: usize = 256;

struct Fixed(Vec<IpAddr>);

impl Resolve for Fixed {
    fn resolve(&self, _: &Name) -> Answer {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

fn core() -> Core {
    let allowance = Allowance {
        sockets: SOCKETS_MAX,
        ..Allowance::UNLIMITED
    };
    let watch = Watch {
        uses: Some(Uses::default()),
        ..Watch::default()
    };
    Core::new("web".into(), Budget::new(allowance), &watch)
}

pub(super) fn policy(connect: &[&str], listen: &[&str]) -> NetPolicy {
    let mut policy = NetPolicy::default();
    connect.iter().for_each(|c| policy.add_connect(c).unwrap());
    listen.iter().for_each(|l| policy.add_listen(l).unwrap());
    policy
}

pub(super) fn checks(connect: &[&str], listen: &[&str], answers: &[&str]) -> (Arc<Checks>, Core) {
    let core = core();
    let resolver = Fixed(answers.iter().map(|ip| ip.parse().unwrap()).collect());
    let policy = Arc::new(policy(connect, listen));
    (
        Arc::new(Checks::new(policy, Arc::new(resolver), &core)),
        core,
    )
}

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn denial(core: &Core) -> Denial {
    let list = core.denials.list();
    assert_eq!(list.len(), 1, "{list:?}");
    list[0].clone()
}

#[test]
fn without_a_grant_the_denial_names_the_address() {
    let (checks, core) = checks(&[], &[], &[]);
    assert!(checks.check(at("0.0.0.0:0"), SocketAddrUse::TcpBind));
    assert!(!checks.check(at("10.0.0.1:5432"), SocketAddrUse::TcpConnect));
    let denial = denial(&core);
    assert_eq!(denial.asked, "connect to 10.0.0.1:5432");
    assert_eq!(denial.grant, "net");
    assert_eq!(denial.line, r#"net = ["10.0.0.1:5432"]"#);
    assert_eq!(denial.flag, "--net 10.0.0.1:5432");
}

#[test]
fn without_a_grant_nothing_is_heard() {
    let (checks, core) = checks(&["10.0.0.1:53"], &[], &[]);
    assert!(checks.check(at("10.0.0.1:53"), SocketAddrUse::UdpReceive));
    assert!(!checks.check(at("10.0.0.2:53"), SocketAddrUse::UdpReceive));
    assert_eq!(core.denials.list(), []);
    assert!(!checks.check(at("10.0.0.2:53"), SocketAddrUse::UdpSend));
    assert_eq!(denial(&core).asked, "send to 10.0.0.2:53");
}

#[test]
fn listening_is_granted_by_address_and_port() {
    let (checks, core) = checks(&["*"], &["127.0.0.1:*"], &[]);
    assert!(checks.check(at("127.0.0.1:0"), SocketAddrUse::TcpBind));
    assert!(checks.check(at("127.0.0.1:40123"), SocketAddrUse::TcpListen));
    assert!(checks.check(at("8.8.8.8:999"), SocketAddrUse::TcpAccept));
    assert!(!checks.check(at("0.0.0.0:8080"), SocketAddrUse::TcpBind));
    let denial = denial(&core);
    assert_eq!(denial.asked, "listen on 0.0.0.0:8080");
    assert_eq!(
        denial.line,
        r#"net = { connect = ["*"], listen = ["127.0.0.1:*", "0.0.0.0:8080"] }"#
    );
    assert_eq!(denial.flag, "--bind 0.0.0.0:8080");
    let uses = core.seam.uses().unwrap().list();
    assert_eq!(uses.len(), 1);
    assert_eq!(
        (uses[0].scope.as_str(), uses[0].access),
        ("127.0.0.1:*", "listen")
    );
}

#[test]
fn a_port_that_the_guest_picked_is_advised() {
    let (checks, core) = checks(&[], &[], &[]);
    assert!(!checks.check(at("0.0.0.0:8080"), SocketAddrUse::TcpBind));
    assert_eq!(denial(&core).flag, "--bind 0.0.0.0:8080");
}

#[test]
fn a_port_that_the_system_picked_is_not_advised() {
    let (checks, core) = checks(&[], &[], &[]);
    assert!(!checks.check(at("0.0.0.0:40123"), SocketAddrUse::TcpListen));
    assert_eq!(denial(&core).flag, "--bind 0.0.0.0:*");
}

#[test]
fn whoever_wrote_to_a_listening_socket_can_be_answered() {
    let (checks, _) = checks(&[], &["0.0.0.0:53"], &[]);
    assert!(!checks.check(at("10.9.9.9:1234"), SocketAddrUse::UdpSend));
    assert!(checks.check(at("10.9.9.9:1234"), SocketAddrUse::UdpReceive));
    assert!(checks.check(at("10.9.9.9:1234"), SocketAddrUse::UdpSend));
    assert!(!checks.check(at("10.9.9.9:1235"), SocketAddrUse::UdpSend));
}

#[tokio::test]
async fn the_report_of_uses_names_what_would_have_been_enough() {
    let (checks, core) = checks(&["*:5432", "private", "*.test:*"], &[], &["10.0.0.1"]);
    assert!(checks.check(at("10.0.0.2:5432"), SocketAddrUse::TcpConnect));
    look_up(&checks, "db.test").await.unwrap();
    assert!(checks.check(at("10.0.0.1:5432"), SocketAddrUse::TcpConnect));
    let uses = core.seam.uses().unwrap().list();
    let uses: Vec<_> = uses.iter().map(|u| (u.scope.as_str(), u.access)).collect();
    let expected = [
        ("10.0.0.2:5432", "connect"),
        ("db.test:5432", "connect"),
        ("db.test:5432", LOOK_UP),
        ("private", ""),
    ];
    assert_eq!(uses, expected);
}

async fn look_up(checks: &Arc<Checks>, name: &str) -> Result<Vec<IpAddr>, Failure> {
    checks.resolve(name)?.await
}

#[tokio::test]
async fn a_name_is_looked_up_only_if_it_is_granted() {
    let (checks, core) = checks(&["db.test:5432"], &[], &["1.1.1.1", "10.0.0.1"]);
    assert_eq!(look_up(&checks, "evil.test").await, Err(Failure::Denied));
    let denial = denial(&core);
    assert_eq!(
        (denial.asked.as_str(), denial.flag.as_str()),
        ("look up evil.test", "--net evil.test:*")
    );
    // The private one is left out, and connecting to the other needs the look-up first.
    assert!(!checks.check(at("1.1.1.1:5432"), SocketAddrUse::TcpConnect));
    assert_eq!(
        look_up(&checks, "DB.test.").await,
        Ok(vec!["1.1.1.1".parse().unwrap()])
    );
    assert!(checks.check(at("1.1.1.1:5432"), SocketAddrUse::TcpConnect));
    assert!(!checks.check(at("1.1.1.1:80"), SocketAddrUse::TcpConnect));
    assert!(!checks.check(at("10.0.0.1:5432"), SocketAddrUse::TcpConnect));
    let uses = core.seam.uses().unwrap().list();
    let uses: Vec<_> = uses.iter().map(|u| (u.scope.as_str(), u.access)).collect();
    let expected = [("db.test:5432", "connect"), ("db.test:5432", LOOK_UP)];
    assert_eq!(uses, expected);
    let last = core.denials.list().pop().unwrap();
    assert_eq!(last.flag, "--net 10.0.0.1:5432");
}

#[tokio::test]
async fn a_name_that_is_private_says_which_word_it_needs() {
    let (checks, core) = checks(&["db.test:5432"], &[], &["10.0.0.1"]);
    assert_eq!(look_up(&checks, "db.test").await, Err(Failure::Denied));
    let denial = denial(&core);
    assert_eq!(
        denial.asked,
        "connect to db.test (10.0.0.1, a private address)"
    );
    assert_eq!(denial.line, r#"net = ["db.test:5432", "private"]"#);
}

#[tokio::test]
async fn addresses_are_no_names() {
    let (checks, core) = checks(&[], &[], &[]);
    for (text, ip) in [
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("0x7f.1", "127.0.0.1"),
    ] {
        assert_eq!(look_up(&checks, text).await, Ok(vec![ip.parse().unwrap()]));
    }
    for text in ["", "a b", "a/b", "a\0b", "1.2.3.4.5"] {
        assert_eq!(look_up(&checks, text).await, Err(Failure::Invalid));
    }
    assert_eq!(core.denials.list(), []);
}

#[tokio::test]
async fn look_ups_under_way_are_bounded() {
    let (checks, _) = checks(&["db.test:1"], &[], &["1.1.1.1"]);
    let mut held: Vec<_> = (0..64)
        .map(|_| checks.resolve("db.test").ok().unwrap())
        .collect();
    assert_eq!(look_up(&checks, "db.test").await, Err(Failure::Busy));
    held.pop();
    assert!(look_up(&checks, "db.test").await.is_ok());
}

pub(super) fn state(policy: NetPolicy) -> State {
    let place = Place {
        base: "/nowhere".into(),
        state: "/nowhere/.holm".into(),
        stores: Arc::new([]),
        shared: Arc::default(),
        brokers: Default::default(),
    };
    let mut grants = Grants::resolve(&[], &place).ok().unwrap();
    grants.sockets = Sockets::new(policy, Arc::new(Fixed(Vec::new())));
    State::component(&grants, core(), WasiCtxBuilder::new()).unwrap()
}

#[tokio::test]
async fn sockets_are_bounded_and_come_back() {
    let mut state = &mut state(policy(&[], &[]));
    let mut open = Vec::new();
    for _ in 0..SOCKETS_MAX - 1 {
        open.push(create_tcp(&mut state, p2::IpAddressFamily::Ipv4).unwrap());
    }
    create_udp(&mut state, p2::IpAddressFamily::Ipv6)
        .await
        .unwrap();
    let refused = create_tcp(&mut state, p2::IpAddressFamily::Ipv4).unwrap_err();
    assert_eq!(refused.downcast().unwrap(), p2::ErrorCode::NewSocketLimit);
    let refused = create_tcp_0_3(&mut state, p3::IpAddressFamily::Ipv4).unwrap_err();
    assert!(matches!(
        refused.downcast().unwrap(),
        p3::ErrorCode::OutOfMemory
    ));
    let listener = open.pop().unwrap();
    let refused = accept(
        &mut state,
        wasmtime::component::Resource::new_borrow(listener.rep()),
    )
    .unwrap_err();
    assert_eq!(refused.downcast().unwrap(), p2::ErrorCode::NewSocketLimit);
    drop_tcp(&mut state, listener).unwrap();
    let ours = create_tcp_0_3(&mut state, p3::IpAddressFamily::Ipv4).unwrap();
    assert!(create_tcp(&mut state, p2::IpAddressFamily::Ipv4).is_err());
    tcp_0_3::drop(&mut state.sockets(), ours).unwrap();
    create_tcp(&mut state, p2::IpAddressFamily::Ipv4).unwrap();
    assert!(create_tcp(&mut state, p2::IpAddressFamily::Ipv4).is_err());
}

/// An attempt that gives no socket costs no seat.
#[tokio::test]
async fn what_fails_gives_its_seat_back() {
    let mut state = &mut state(policy(&[], &[]));
    let listener = create_tcp(&mut state, p2::IpAddressFamily::Ipv4).unwrap();
    for _ in 0..SOCKETS_MAX {
        let listener = wasmtime::component::Resource::new_borrow(listener.rep());
        let refused = accept(&mut state, listener).unwrap_err();
        assert_eq!(refused.downcast().unwrap(), p2::ErrorCode::InvalidState);
    }
    create_tcp(&mut state, p2::IpAddressFamily::Ipv4).unwrap();
}

async fn connect(state: &mut State, to: SocketAddr) -> Result<(), p2::ErrorCode> {
    use tcp::HostTcpSocket as Tcp;
    let SocketAddr::V4(to) = to else {
        panic!("{to}")
    };
    let [a, b, c, d] = to.ip().octets();
    let address = p2::Ipv4SocketAddress {
        port: to.port(),
        address: (a, b, c, d),
    };
    let socket = create_tcp(&mut &mut *state, p2::IpAddressFamily::Ipv4).unwrap();
    let borrow = || wasmtime::component::Resource::new_borrow(socket.rep());
    let mut view = state.sockets();
    let network = instance_network::Host::instance_network(&mut view).unwrap();
    Tcp::start_connect(
        &mut view,
        borrow(),
        network,
        p2::IpSocketAddress::Ipv4(address),
    )
    .unwrap();
    loop {
        match Tcp::finish_connect(&mut view, borrow())
            .map(|_| ())
            .map_err(|e| e.downcast().unwrap())
        {
            Err(p2::ErrorCode::WouldBlock) => tokio::task::yield_now().await,
            done => return done,
        }
    }
}

#[tokio::test]
async fn a_real_connection_is_made_or_refused() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let mut granted = state(policy(&[&to.to_string()], &[]));
    assert_eq!(connect(&mut granted, to).await, Ok(()));
    let mut other = state(policy(&["*", "10.0.0.0/8:*"], &[]));
    assert_eq!(
        connect(&mut other, to).await,
        Err(p2::ErrorCode::AccessDenied)
    );
    let denied = holm_runtime::InstanceState::core(&mut other).denials.list();
    assert_eq!(
        denied[0].asked,
        format!("connect to {to}, a loopback address")
    );
    assert_eq!(denied[0].flag, format!("--net {to}"));
}

#[test]
fn every_row_links() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = wasmtime::Engine::new(&config).unwrap();
    for era in [Era::P2, Era::P3] {
        Sockets::link_component(&mut Linker::new(&engine), era).unwrap();
    }
}
