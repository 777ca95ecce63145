//! The policy's cases: what parses, what is covered, and every known way around it.

use super::*;
use holm_manifest::{Redacted, Value, ValueKind};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    match Target::parse(text) {
        Some(Target::Name(name)) => name,
        other => panic!("{text}: {other:?}"),
    }
}

fn net(connect: &[&str], listen: &[&str]) -> NetPolicy {
    let mut policy = NetPolicy::default();
    connect.iter().for_each(|c| policy.add_connect(c).unwrap());
    listen.iter().for_each(|l| policy.add_listen(l).unwrap());
    policy
}

fn http(origins: &[&str]) -> OriginPolicy {
    let mut policy = OriginPolicy::default();
    origins.iter().for_each(|o| policy.add(o).unwrap());
    policy
}

#[test]
fn ranges() {
    for (text, range) in [
        ("8.8.8.8", Range::Public),
        ("172.15.255.255", Range::Public),
        ("172.32.0.0", Range::Public),
        ("100.63.255.255", Range::Public),
        ("100.128.0.0", Range::Public),
        ("10.0.0.1", Range::Private),
        ("172.16.0.1", Range::Private),
        ("172.31.255.255", Range::Private),
        ("192.168.1.1", Range::Private),
        ("127.0.0.1", Range::Loopback),
        ("127.255.255.254", Range::Loopback),
        ("169.254.1.1", Range::LinkLocal),
        ("169.254.169.254", Range::Metadata),
        ("169.254.170.2", Range::Metadata),
        ("100.100.100.200", Range::Metadata),
        ("100.64.0.1", Range::Shared),
        ("100.127.255.255", Range::Shared),
        ("0.0.0.0", Range::Unspecified),
        ("0.1.2.3", Range::Unspecified),
        ("224.0.0.1", Range::Multicast),
        ("239.255.255.255", Range::Multicast),
        ("240.0.0.1", Range::Reserved),
        ("255.255.255.255", Range::Broadcast),
        ("192.0.2.1", Range::Documentation),
        ("198.51.100.1", Range::Documentation),
        ("203.0.113.1", Range::Documentation),
        ("198.18.0.1", Range::Reserved),
        ("192.0.0.1", Range::Reserved),
        ("2606:4700::1111", Range::Public),
        ("2a00:1450::1", Range::Public),
        ("::", Range::Unspecified),
        ("::1", Range::Loopback),
        ("fc00::1", Range::Private),
        ("fdff::1", Range::Private),
        ("fec0::1", Range::Private),
        ("fe80::1", Range::LinkLocal),
        ("febf::1", Range::LinkLocal),
        ("fd00:ec2::254", Range::Metadata),
        ("ff02::1", Range::Multicast),
        ("2001:db8::1", Range::Documentation),
        ("3fff::1", Range::Documentation),
        // Embedded IPv4 counts as what it embeds.
        ("::ffff:10.0.0.1", Range::Private),
        ("::ffff:169.254.169.254", Range::Metadata),
        ("::ffff:8.8.8.8", Range::Public),
        ("64:ff9b::10.0.0.1", Range::Private),
        ("64:ff9b::127.0.0.1", Range::Loopback),
        ("64:ff9b::8.8.8.8", Range::Public),
        ("2002:0a00:0001::1", Range::Private),
        ("2002:7f00:0001::1", Range::Loopback),
        // Embeddings that nobody should use.
        ("::10.0.0.1", Range::Reserved),
        ("::ffff:0:10.0.0.1", Range::Reserved),
        ("64:ff9b:1::1", Range::Reserved),
        ("2001::1", Range::Reserved),
        ("100::1", Range::Reserved),
        ("4000::1", Range::Reserved),
    ] {
        assert_eq!(Range::of(ip(text)), range, "{text}");
    }
}

#[test]
fn targets_have_one_spelling() {
    for (text, target) in [
        ("EXAMPLE.com", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example.", "xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("example。com", "example.com"),
        ("%65xample.com", "example.com"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("1２7.0.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("[::1]", "[::1]"),
        ("[::ffff:10.0.0.1]", "10.0.0.1"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("my_service", "my_service"),
    ] {
        assert_eq!(
            Target::parse(text)
                .unwrap_or_else(|| panic!("{text}"))
                .to_string(),
            target
        );
    }
    let long = "a".repeat(64);
    let longer = "a.".repeat(130);
    for text in [
        "",
        ".",
        "..",
        "a..b",
        "a..",
        " a",
        "a b",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a@b",
        "a:80",
        "a%00b",
        "a\0b",
        "a\r\nb",
        "::1",
        "[::1",
        "[::1%25eth0]",
        "1.2.3.4.5",
        "256.0.0.1",
        "0x100000000",
        "a,b",
        "a;b",
        "a!b",
        "*",
        "*.a",
        &long,
        &longer,
    ] {
        assert_eq!(Target::parse(text), None, "{text:?}");
    }
}

#[test]
fn patterns_print_as_they_are_written() {
    for (text, printed) in [
        ("db.internal:5432", "db.internal:5432"),
        ("DB.Internal.:5432", "db.internal:5432"),
        ("10.1.2.3:80", "10.1.2.3:80"),
        ("[::1]:53", "[::1]:53"),
        ("10.0.0.0/8:*", "10.0.0.0/8:*"),
        ("10.1.2.3/8:*", "10.0.0.0/8:*"),
        ("[fc00::/7]:443", "[fc00::/7]:443"),
        ("[::ffff:10.0.0.0/104]:1", "10.0.0.0/8:1"),
        ("*.example.com:443", "*.example.com:443"),
        ("host:*", "host:*"),
        ("*:443", "*:443"),
        ("*", "*"),
        ("*:*", "*"),
        ("0x7f.1:80", "127.0.0.1:80"),
    ] {
        assert_eq!(
            text.parse::<Pattern>().unwrap().to_string(),
            printed,
            "{text}"
        );
    }
    for (text, printed) in [
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("HTTPS://API.example.com:443", "https://api.example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://a:*", "http://a:*"),
        ("https://*.example.com", "https://*.example.com"),
        ("http://10.0.0.5:8000", "http://10.0.0.5:8000"),
        ("http://[::1]", "http://[::1]"),
        ("https://*", "https://*"),
        ("https://*:443", "https://*:443"),
        ("*", "*"),
    ] {
        assert_eq!(
            Origin::parse(Service::Http, text).unwrap().to_string(),
            printed,
            "{text}"
        );
    }
}

#[test]
fn bad_patterns_say_what_to_write() {
    let bad = |text: &str| text.parse::<Pattern>().unwrap_err();
    assert_eq!(bad("db.internal").what, "missing port");
    assert_eq!(
        bad("db.internal").help,
        "write `db.internal:443` for one port, or `db.internal:*` for any"
    );
    assert_eq!(bad("::1").help, "write `[::1]`");
    assert_eq!(bad("a:0").what, "`0` is not a port");
    assert_eq!(bad("a:65536").what, "`65536` is not a port");
    assert_eq!(bad("a:+80").what, "`+80` is not a port");
    assert_eq!(bad("a:").what, "`` is not a port");
    assert_eq!(bad("a.*.b:1").what, "`*` in the middle of a host name");
    assert_eq!(bad("*.10.0.0.1:1").what, "`10.0.0.1` is not a host name");
    assert_eq!(
        bad("10.0.0.0/33:1").what,
        "`10.0.0.0/33` is not a range of addresses"
    );
    assert_eq!(bad("https://a:1").what, "an address with a scheme");
    let bad = |text: &str| Origin::parse(Service::Http, text).unwrap_err();
    assert_eq!(
        bad("api.example.com").help,
        "write `https://api.example.com`"
    );
    assert_eq!(bad("https://u@a").what, "a user name in an origin");
    assert_eq!(
        bad("https://a/v1").help,
        "an origin is a scheme, a host and a port: `https://a`"
    );
    assert_eq!(bad("redis://a").what, "`redis` is not a scheme of HTTP");
    assert_eq!(bad("https://").what, "`` is not a host");
    let mut policy = NetPolicy::default();
    assert_eq!(
        policy.add_listen("example.com:80").unwrap_err().what,
        "`example.com` is not an address to listen on"
    );
}

#[test]
fn nothing_is_granted_by_default() {
    let policy = net(&[], &[]);
    assert!(policy.is_empty());
    assert_eq!(
        policy.may_connect(address("8.8.8.8:53"), &[]),
        Err(Refusal::NotNamed)
    );
    assert!(policy.may_listen(address("127.0.0.1:80")).is_none());
    assert_eq!(policy.may_look_up(&name("localhost")), None);
    assert!(!http(&[]).may_send(Scheme::Https, &Target::parse("a").unwrap(), 443));
}

#[test]
fn an_address_is_reached_by_being_named() {
    let policy = net(&["10.1.2.3:80", "10.2.0.0/16:*", "169.254.169.254:80"], &[]);
    assert!(policy.may_connect(address("10.1.2.3:80"), &[]).is_ok());
    assert!(
        policy
            .may_connect(address("[::ffff:10.1.2.3]:80"), &[])
            .is_ok()
    );
    assert!(
        policy
            .may_connect(address("169.254.169.254:80"), &[])
            .is_ok()
    );
    assert!(policy.may_connect(address("10.2.255.1:9"), &[]).is_ok());
    assert_eq!(
        policy.may_connect(address("10.1.2.3:81"), &[]),
        Err(Refusal::NotNamed)
    );
    assert_eq!(
        policy.may_connect(address("10.3.0.1:80"), &[]),
        Err(Refusal::NotNamed)
    );
}

#[test]
fn any_host_means_any_public_address() {
    let any = net(&["*:443"], &[]);
    assert!(any.may_connect(address("8.8.8.8:443"), &[]).is_ok());
    assert_eq!(
        any.may_connect(address("8.8.8.8:80"), &[]),
        Err(Refusal::NotNamed)
    );
    for closed in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "[::1]",
        "[fc00::1]",
        "[64:ff9b::a00:1]",
    ] {
        let to = address(&format!("{closed}:443"));
        assert!(
            matches!(any.may_connect(to, &[]), Err(Refusal::Closed(_))),
            "{closed}"
        );
    }
    let private = net(&["*:443", "private"], &[]);
    assert!(private.may_connect(address("10.0.0.1:443"), &[]).is_ok());
    assert!(private.may_connect(address("[::1]:443"), &[]).is_ok());
    let metadata = address("169.254.169.254:443");
    assert_eq!(
        private.may_connect(metadata, &[]),
        Err(Refusal::Closed(Range::Metadata))
    );
    assert!(net(&["all"], &[]).may_connect(metadata, &[]).is_ok());
    assert!(
        net(&["all"], &[])
            .may_listen(address("0.0.0.0:80"))
            .is_some()
    );
}

#[test]
fn a_name_opens_the_addresses_it_was_looked_up_to() {
    let db = name("db.internal");
    let policy = net(&["db.internal:5432"], &[]);
    assert_eq!(policy.may_look_up(&db), Some(Port::One(5432)));
    assert_eq!(policy.may_look_up(&name("x.db.internal")), None);
    assert_eq!(
        policy.may_resolve_to(&db, ip("10.0.0.1")),
        Err(Range::Private)
    );
    assert!(policy.may_resolve_to(&db, ip("8.8.8.8")).is_ok());
    let names = [db.clone()];
    assert_eq!(
        policy.may_connect(address("8.8.8.8:5432"), &names),
        Ok(Target::Name(db.clone()))
    );
    assert_eq!(
        policy.may_connect(address("8.8.8.8:80"), &names),
        Err(Refusal::NotNamed)
    );
    assert_eq!(
        policy.may_connect(address("8.8.8.8:5432"), &[]),
        Err(Refusal::NotNamed)
    );
    let closed = Err(Refusal::Closed(Range::Private));
    assert_eq!(policy.may_connect(address("10.0.0.1:5432"), &names), closed);
    let private = net(&["db.internal:5432", "private"], &[]);
    assert!(
        private
            .may_connect(address("10.0.0.1:5432"), &names)
            .is_ok()
    );
    // The word adds to the patterns; it is none itself.
    assert_eq!(
        private.may_connect(address("10.0.0.1:5432"), &[]),
        Err(Refusal::NotNamed)
    );
    // Another pattern names the address, at its own port only.
    let both = net(&["db.internal:5432", "10.0.0.1:80"], &[]);
    assert!(both.may_resolve_to(&db, ip("10.0.0.1")).is_ok());
    assert_eq!(both.may_connect(address("10.0.0.1:5432"), &names), closed);
}

#[test]
fn localhost_needs_no_word() {
    let policy = net(&["localhost:80", "evil.example:*"], &[]);
    let local = [name("localhost")];
    assert!(policy.may_connect(address("127.0.0.1:80"), &local).is_ok());
    assert!(policy.may_connect(address("[::1]:80"), &local).is_ok());
    let closed = |range| Err(Refusal::Closed(range));
    assert_eq!(
        policy.may_connect(address("10.0.0.1:80"), &local),
        closed(Range::Private)
    );
    let evil = [name("evil.example")];
    assert_eq!(
        policy.may_connect(address("127.0.0.1:80"), &evil),
        closed(Range::Loopback)
    );
}

#[test]
fn all_hosts_are_all_public_hosts() {
    let any = http(&["*"]);
    let dial = |policy: &OriginPolicy, host: &str, to: &str| {
        policy.may_dial(&Target::parse(host).unwrap(), ip(to), 8080)
    };
    let closed = Err(Refusal::Closed(Range::Loopback));
    assert!(dial(&any, "a.example", "93.184.216.34").is_ok());
    assert_eq!(dial(&any, "localhost", "127.0.0.1"), closed);
    assert_eq!(dial(&any, "a.localhost", "::1"), closed);
    let opened = http(&["*", "private"]);
    assert!(dial(&opened, "localhost", "127.0.0.1").is_ok());
    let sockets = net(&["*:80"], &[]);
    let local = [name("localhost")];
    assert_eq!(
        sockets.may_resolve_to(&local[0], ip("127.0.0.1")),
        Err(Range::Loopback)
    );
    assert_eq!(
        sockets.may_connect(address("127.0.0.1:80"), &local),
        closed.map(|()| Target::Ip(ip("127.0.0.1")))
    );
}

#[test]
fn wildcards_cover_subdomains_only() {
    let policy = http(&["https://*.example.com"]);
    let may = |host: &str| policy.may_send(Scheme::Https, &Target::parse(host).unwrap(), 443);
    assert!(may("a.example.com"));
    assert!(may("a.b.EXAMPLE.com."));
    assert!(!may("example.com"));
    assert!(!may("badexample.com"));
    assert!(!may("example.com.evil.org"));
    assert!(!may("xn--exmple-cua.com"));
}

#[test]
fn origins_compare_scheme_host_and_port() {
    let policy = http(&["https://api.example.com", "http://localhost:8080"]);
    let may =
        |scheme, host: &str, port| policy.may_send(scheme, &Target::parse(host).unwrap(), port);
    assert!(may(Scheme::Https, "api.example.com", 443));
    assert!(!may(Scheme::Http, "api.example.com", 443));
    assert!(!may(Scheme::Http, "api.example.com", 80));
    assert!(!may(Scheme::Https, "api.example.com", 8443));
    assert!(may(Scheme::Http, "LOCALHOST", 8080));
    assert!(!may(Scheme::Http, "127.0.0.1", 8080));
}

#[test]
fn an_origin_may_be_a_range_of_addresses() {
    let policy = http(&["http://10.0.0.0/8:8080"]);
    let target = |host: &str| Target::parse(host).unwrap();
    assert!(policy.may_send(Scheme::Http, &target("10.1.2.3"), 8080));
    assert!(!policy.may_send(Scheme::Http, &target("10.1.2.3"), 80));
    assert!(!policy.may_send(Scheme::Http, &target("11.1.2.3"), 8080));
    let inside = (ip("10.1.2.3"), 8080);
    assert_eq!(
        policy.may_dial(&target("10.1.2.3"), inside.0, inside.1),
        Ok(())
    );
    assert!(policy.clone().add("http://10.0.0.0/8/x").is_err());
    assert!(policy.clone().add("http://example.com/8").is_err());
}

#[test]
fn addresses_of_a_granted_origin_are_checked() {
    let policy = http(&[
        "https://*.example.com",
        "http://localhost:8080",
        "http://10.0.0.5:8000",
    ]);
    let dial =
        |host: &str, to: &str, port| policy.may_dial(&Target::parse(host).unwrap(), ip(to), port);
    assert!(dial("a.example.com", "93.184.216.34", 443).is_ok());
    for closed in [
        "127.0.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fc00::1",
        "100.64.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "::",
    ] {
        let got = dial("a.example.com", closed, 443);
        assert!(matches!(got, Err(Refusal::Closed(_))), "{closed}: {got:?}");
    }
    assert!(dial("localhost", "127.0.0.1", 8080).is_ok());
    assert!(dial("localhost", "10.0.0.1", 8080).is_err());
    assert!(dial("10.0.0.5", "10.0.0.5", 8000).is_ok());
    assert!(dial("a.example.com", "10.0.0.5", 8000).is_ok());
    assert!(dial("a.example.com", "10.0.0.5", 443).is_err());
}

#[test]
fn all_may_be_said_of_either() {
    let listen = net(&[], &["all"]);
    assert!(listen.may_listen(address("0.0.0.0:80")).is_some());
    assert!(listen.may_connect(address("8.8.8.8:80"), &[]).is_err());
}

#[test]
fn listening_is_its_own_grant() {
    let policy = net(&["*"], &["127.0.0.1:8080", "[::]:*"]);
    assert!(policy.may_listen(address("127.0.0.1:8080")).is_some());
    assert!(policy.may_listen(address("[::1]:9")).is_some());
    assert!(policy.may_listen(address("127.0.0.1:8081")).is_none());
    assert!(policy.may_listen(address("0.0.0.0:8080")).is_none());
    assert!(
        net(&[], &["0.0.0.0:*"])
            .may_listen(address("10.0.0.1:5"))
            .is_some()
    );
    assert!(
        net(&[], &["0.0.0.0:*"])
            .may_listen(address("[::1]:5"))
            .is_none()
    );
    assert!(
        net(&[], &["localhost:80"])
            .may_listen(address("[::1]:80"))
            .is_some()
    );
    assert!(
        net(&["*", "private"], &[])
            .may_listen(address("127.0.0.1:80"))
            .is_none()
    );
}

#[test]
fn lines_are_ready_to_paste() {
    assert_eq!(
        net(&[], &[]).line_with_connect("10.0.0.1:5432"),
        r#"net = ["10.0.0.1:5432"]"#
    );
    assert_eq!(
        net(&["db:1"], &[]).line_with_connect("private"),
        r#"net = ["db:1", "private"]"#
    );
    assert_eq!(
        net(&["db:1"], &["127.0.0.1:2"]).line_with_connect("e:3"),
        r#"net = { connect = ["db:1", "e:3"], listen = ["127.0.0.1:2"] }"#
    );
    assert_eq!(
        net(&[], &[]).line_with_listen("[::]:1"),
        r#"net = { listen = ["[::]:1"] }"#
    );
    assert_eq!(
        http(&["*", "private"]).line_with("http://a"),
        r#"http = ["*", "private", "http://a"]"#
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut seen = Remembered::default();
    let a = name("a");
    for n in 0..5000u32 {
        seen.add(std::net::Ipv4Addr::from_bits(n).into(), &a);
    }
    assert_eq!(seen.names(ip("0.0.0.1")), []);
    assert_eq!(seen.names(std::net::Ipv4Addr::from_bits(4999).into()), [a]);
}

const WORDS: &[&str] = &[
    "http://",
    "*.",
    "[::",
    "/8",
    ":*",
    "%2e",
    "127.0.0.1",
    "xn--",
    "0x",
    "..",
    "ß",
];

#[test]
fn patterns_read_back() {
    crate::fuzz::text("net-pattern", WORDS, |text| {
        if let Ok(pattern) = text.parse::<Pattern>() {
            assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        }
        let (_, problems) = NetPolicy::read(&text.into());
        assert!(problems.iter().all(|problem| problem.help.is_some()));
    });
}

#[test]
fn origins_read_back() {
    crate::fuzz::text("origin", WORDS, |text| {
        if let Ok(origin) = Origin::parse(Service::Http, text) {
            assert_eq!(
                Origin::parse(Service::Http, &origin.to_string()),
                Ok(origin)
            );
        }
    });
}

/// A second reading must not make another host of it, nor an address of a name.
#[test]
fn hosts_read_back() {
    crate::fuzz::text("host", WORDS, |text| {
        if let Some(target) = Target::parse(text) {
            assert_eq!(Target::parse(&target.to_string()), Some(target));
        }
    });
}

proptest! {
    #[test]
    fn display_round_trips(bits in any::<u128>(), v4 in any::<u32>(), prefix in 0u8..=128, port in 1u16..) {
        let texts = [
            format!("{}:{port}", std::net::Ipv4Addr::from_bits(v4)),
            format!("{}/{}:*", std::net::Ipv4Addr::from_bits(v4), prefix % 33),
            format!("[{}]:{port}", std::net::Ipv6Addr::from_bits(bits)),
            format!("[{}/{prefix}]:{port}", std::net::Ipv6Addr::from_bits(bits)),
        ];
        for text in texts {
            let pattern: Pattern = text.parse().unwrap();
            prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        }
    }

    #[test]
    fn only_public_addresses_are_open_to_everybody(bits in any::<u128>()) {
        let address = SocketAddr::new(std::net::Ipv6Addr::from_bits(bits).into(), 1);
        let open = net(&["*"], &[]).may_connect(address, &[]).is_ok();
        prop_assert_eq!(open, Range::of(address.ip()) == Range::Public);
    }
}

#[test]
fn grants_are_read_and_each_mistake_has_its_place() {
    use holm_manifest::{Span, Value, ValueKind};
    let place = |start| Span {
        start,
        end: start + 1,
    };
    let text = |text: &str, at| Value::new(ValueKind::String(text.into()), place(at));
    let list = |items| Value::new(ValueKind::Array(items), place(0));
    let (policy, problems) = NetPolicy::read(&list(vec![text("a:1", 1), text("private", 2)]));
    assert_eq!((policy, problems), (net(&["a:1", "private"], &[]), vec![]));
    let (policy, problems) = NetPolicy::read(&text("*", 1));
    assert_eq!((policy, problems), (net(&["*"], &[]), vec![]));
    let both = Value::table(vec![
        ("connect", "a:1".into()),
        ("listen", Value::from(vec!["[::]:*"])),
    ]);
    assert_eq!(NetPolicy::read(&both), (net(&["a:1"], &["[::]:*"]), vec![]));
    let wrong = list(vec![
        text("a", 1),
        text("b:1", 2),
        Value::new(ValueKind::Integer(5), place(3)),
    ]);
    let (_, problems) = NetPolicy::read(&wrong);
    let seen: Vec<_> = problems
        .iter()
        .map(|p| (p.message.as_str(), p.span))
        .collect();
    assert_eq!(
        seen,
        [
            ("missing port", Some(place(1))),
            ("expected a string", Some(place(3)))
        ]
    );
    let (_, problems) = OriginPolicy::read(Service::Http, &list(vec![text("api.example.com", 7)]));
    assert_eq!(
        problems[0].help.as_deref(),
        Some("write `https://api.example.com`")
    );
    assert_eq!(problems[0].span, Some(place(7)));
}

#[test]
fn what_a_secret_was_filled_into_is_in_no_denial() {
    let at = holm_manifest::Span::default();
    let secret = ValueKind::Secret(Redacted::new("https://hidden.example.com".into()));
    let open = ValueKind::String("https://open.example.com".into());
    let list = [secret, open].map(|kind| Value::new(kind, at));
    let list = Value::new(ValueKind::Array(list.into()), at);
    let (policy, problems) = OriginPolicy::read(Service::Http, &list);
    assert!(problems.is_empty(), "{problems:?}");
    let line = policy.line_with("https://asked.example.com");
    assert_eq!(
        line,
        "http = [\"[redacted]\", \"https://asked.example.com\"]"
    );
}
