//! Sockets of WASI 0.2. ADDR is `127.0.0.1:7000` or `[::1]:7000`; port 0 takes a free one.
//!
//!     udp-tcp listen ADDR [N]       TCP: sends back what comes; ends after N connections
//!     udp-tcp connect ADDR TEXT     TCP: sends a text, prints the answer
//!     udp-tcp receive ADDR [N]      UDP: prints and sends back datagrams; ends after N
//!     udp-tcp send ADDR TEXT [wait] UDP: sends a datagram; with `wait` prints the answer
//!     udp-tcp resolve NAME          prints the addresses of a name
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::exit;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::{ShutdownType, TcpSocket};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["listen", addr] => listen(addr, u32::MAX),
        ["listen", addr, n] => listen(addr, n.parse().expect("a number")),
        ["connect", addr, text] => connect(addr, text),
        ["receive", addr] => receive(addr, u32::MAX),
        ["receive", addr, n] => receive(addr, n.parse().expect("a number")),
        ["send", addr, text] => send(addr, text, false),
        ["send", addr, text, "wait"] => send(addr, text, true),
        ["resolve", name] => resolve(name),
        _ => {
            eprintln!("udp-tcp: listen | connect | receive | send | resolve");
            exit(2);
        }
    };
    if let Err(error) = result {
        eprintln!("udp-tcp: {}", error.name());
        exit(1);
    }
}

fn listen(addr: &str, connections: u32) -> Result<(), ErrorCode> {
    let addr = parse(addr);
    let socket = create_tcp_socket(family(addr))?;
    socket.start_bind(&instance_network(), to_wasi(addr))?;
    socket.subscribe().block();
    socket.finish_bind()?;
    socket.start_listen()?;
    socket.subscribe().block();
    socket.finish_listen()?;
    println!("listening on {}", from_wasi(socket.local_address()?));
    for _ in 0..connections {
        let (connection, mut input, mut output) =
            wait(&socket, |s| s.subscribe(), TcpSocket::accept)?;
        if std::io::copy(&mut input, &mut output)
            .and_then(|_| Write::flush(&mut output))
            .is_err()
        {
            eprintln!("udp-tcp: a connection broke");
        }
        drop((input, output));
        let _ = connection.shutdown(ShutdownType::Both);
    }
    Ok(())
}

fn connect(addr: &str, text: &str) -> Result<(), ErrorCode> {
    let addr = parse(addr);
    let socket = create_tcp_socket(family(addr))?;
    socket.start_connect(&instance_network(), to_wasi(addr))?;
    let (mut input, mut output) = wait(&socket, |s| s.subscribe(), TcpSocket::finish_connect)?;
    output
        .write_all(text.as_bytes())
        .and_then(|()| Write::flush(&mut output))
        .expect("sent");
    socket.shutdown(ShutdownType::Send)?;
    let mut answer = String::new();
    input
        .read_to_string(&mut answer)
        .expect("an answer in UTF-8");
    println!("{answer}");
    Ok(())
}

fn receive(addr: &str, datagrams: u32) -> Result<(), ErrorCode> {
    let socket = bound_udp(parse(addr))?;
    println!("listening on {}", from_wasi(socket.local_address()?));
    let (input, output) = socket.stream(None)?;
    let mut seen = 0;
    while seen < datagrams {
        input.subscribe().block();
        for datagram in input.receive(1)? {
            let from = from_wasi(datagram.remote_address);
            println!("{from}: {}", String::from_utf8_lossy(&datagram.data));
            let echo = OutgoingDatagram {
                data: datagram.data,
                remote_address: Some(datagram.remote_address),
            };
            output.subscribe().block();
            output.check_send()?;
            output.send(&[echo])?;
            seen += 1;
        }
    }
    Ok(())
}

fn send(addr: &str, text: &str, wait_for_answer: bool) -> Result<(), ErrorCode> {
    let addr = parse(addr);
    let local = match addr {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = bound_udp(local)?;
    let (input, output) = socket.stream(Some(to_wasi(addr)))?;
    output.subscribe().block();
    output.check_send()?;
    output.send(&[OutgoingDatagram {
        data: text.as_bytes().to_vec(),
        remote_address: None,
    }])?;
    while wait_for_answer {
        input.subscribe().block();
        if let Some(datagram) = input.receive(1)?.first() {
            println!("{}", String::from_utf8_lossy(&datagram.data));
            break;
        }
    }
    Ok(())
}

fn resolve(name: &str) -> Result<(), ErrorCode> {
    let stream = resolve_addresses(&instance_network(), name)?;
    while let Some(address) = wait(&stream, |s| s.subscribe(), |s| s.resolve_next_address())? {
        match address {
            IpAddress::Ipv4((a, b, c, d)) => println!("{}", Ipv4Addr::new(a, b, c, d)),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                println!("{}", Ipv6Addr::new(a, b, c, d, e, f, g, h));
            }
        }
    }
    Ok(())
}

fn bound_udp(addr: SocketAddr) -> Result<UdpSocket, ErrorCode> {
    let socket = create_udp_socket(family(addr))?;
    socket.start_bind(&instance_network(), to_wasi(addr))?;
    socket.subscribe().block();
    socket.finish_bind()?;
    Ok(socket)
}

/// Tries until the socket no longer says that it would block.
fn wait<S, T>(
    socket: &S,
    subscribe: impl Fn(&S) -> wasip2::io::poll::Pollable,
    attempt: impl Fn(&S) -> Result<T, ErrorCode>,
) -> Result<T, ErrorCode> {
    loop {
        match attempt(socket) {
            Err(ErrorCode::WouldBlock) => subscribe(socket).block(),
            other => return other,
        }
    }
}

fn parse(addr: &str) -> SocketAddr {
    addr.parse().unwrap_or_else(|_| {
        eprintln!("udp-tcp: {addr} is no address (like 127.0.0.1:7000)");
        exit(2);
    })
}

fn family(addr: SocketAddr) -> IpAddressFamily {
    if addr.is_ipv4() {
        IpAddressFamily::Ipv4
    } else {
        IpAddressFamily::Ipv6
    }
}

fn to_wasi(addr: SocketAddr) -> IpSocketAddress {
    match addr {
        SocketAddr::V4(addr) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: addr.port(),
            address: addr.ip().octets().into(),
        }),
        SocketAddr::V6(addr) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: addr.port(),
            flow_info: addr.flowinfo(),
            address: addr.ip().segments().into(),
            scope_id: addr.scope_id(),
        }),
    }
}

fn from_wasi(addr: IpSocketAddress) -> SocketAddr {
    match addr {
        IpSocketAddress::Ipv4(addr) => (<[u8; 4]>::from(addr.address), addr.port).into(),
        IpSocketAddress::Ipv6(addr) => (<[u16; 8]>::from(addr.address), addr.port).into(),
    }
}
