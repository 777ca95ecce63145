//! Sockets of WASI 0.3; commands and output are those of `udp-tcp`. Port 0 takes a free one.
//!
//!     udp-tcp-p3 listen ADDR [N]       TCP: sends back what comes; ends after N connections
//!     udp-tcp-p3 hold ADDR N           TCP: holds N connections, then says if there was room for one
//!                                      more, gives one up, and says if there is room now
//!     udp-tcp-p3 connect ADDR TEXT     TCP: sends a text, prints the answer
//!     udp-tcp-p3 receive ADDR [N]      UDP: prints and sends back datagrams; ends after N
//!     udp-tcp-p3 send ADDR TEXT [wait] UDP: sends a datagram; with `wait` prints the answer
//!     udp-tcp-p3 resolve NAME          prints the addresses of a name
use std::future::{Future, poll_fn};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use wasip3::cli::environment::get_arguments;
use wasip3::clocks::monotonic_clock;
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
    TcpSocket, UdpSocket,
};
use wasip3::wit_bindgen::StreamReader;
use wasip3::wit_stream;

struct Command;
wasip3::cli::command::export!(Command);

impl wasip3::exports::cli::run::Guest for Command {
    async fn run() -> Result<(), ()> {
        let args = get_arguments();
        let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
        let result = match words[..] {
            ["listen", addr] => listen(addr, u32::MAX).await,
            ["listen", addr, n] => listen(addr, n.parse().expect("a number")).await,
            ["hold", addr, n] => hold(addr, n.parse().expect("a number")).await,
            ["connect", addr, text] => connect(addr, text).await,
            ["receive", addr] => receive(addr, u32::MAX).await,
            ["receive", addr, n] => receive(addr, n.parse().expect("a number")).await,
            ["send", addr, text] => send(addr, text, false).await,
            ["send", addr, text, "wait"] => send(addr, text, true).await,
            ["resolve", name] => resolve(name).await,
            _ => {
                eprintln!("udp-tcp-p3: listen | hold | connect | receive | send | resolve");
                return Err(());
            }
        };
        result.map_err(|error| eprintln!("udp-tcp-p3: {}", name(&error)))
    }
}

async fn listening(addr: &str) -> Result<(TcpSocket, StreamReader<TcpSocket>), ErrorCode> {
    let addr = parse(addr);
    let socket = TcpSocket::create(family(addr))?;
    socket.bind(to_wasi(addr))?;
    let connections = socket.listen()?;
    println!("listening on {}", from_wasi(socket.get_local_address()?));
    Ok((socket, connections))
}

/// Hands what comes back as it is; no byte passes through here.
async fn listen(addr: &str, connections: u32) -> Result<(), ErrorCode> {
    let (_socket, mut accepted) = listening(addr).await?;
    for _ in 0..connections {
        let connection = accepted.next().await.ok_or(ErrorCode::InvalidState)?;
        let (data, received) = connection.receive();
        let sent = connection.send(data);
        if sent.await.and(received.await).is_err() {
            eprintln!("udp-tcp-p3: a connection broke");
        }
    }
    Ok(())
}

async fn hold(addr: &str, connections: usize) -> Result<(), ErrorCode> {
    let (_socket, mut accepted) = listening(addr).await?;
    let mut held = Vec::new();
    while held.len() < connections {
        held.push(accepted.next().await.ok_or(ErrorCode::InvalidState)?);
    }
    println!("holding {connections}");
    match TcpSocket::create(IpAddressFamily::Ipv4) {
        Ok(_) => println!("made one more"),
        Err(error) => println!("made none: {}", name(&error)),
    }
    let more = {
        let mut next = pin!(accepted.next());
        // Whoever waits in the queue would be accepted at once.
        let mut enough = pin!(monotonic_clock::wait_for(100_000_000));
        let first = poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Ready(connection) => Poll::Ready(connection),
            Poll::Pending => enough.as_mut().poll(cx).map(|()| None),
        })
        .await;
        match first {
            Some(_) => println!("accepted one more"),
            None => println!("accepted none"),
        }
        held.pop();
        match first {
            Some(connection) => Some(connection),
            None => next.await,
        }
    };
    println!("then accepted {}", usize::from(more.is_some()));
    Ok(())
}

async fn connect(addr: &str, text: &str) -> Result<(), ErrorCode> {
    let addr = parse(addr);
    let socket = TcpSocket::create(family(addr))?;
    socket.connect(to_wasi(addr)).await?;
    let (mut writer, data) = wit_stream::new();
    let sent = socket.send(data);
    let (answer, received) = socket.receive();
    let rest = writer.write_all(text.as_bytes().to_vec()).await;
    assert!(rest.is_empty(), "the other side takes no more");
    drop(writer);
    sent.await?;
    let answer = answer.collect().await;
    received.await?;
    println!("{}", String::from_utf8_lossy(&answer));
    Ok(())
}

async fn receive(addr: &str, datagrams: u32) -> Result<(), ErrorCode> {
    let socket = bound_udp(parse(addr))?;
    println!("listening on {}", from_wasi(socket.get_local_address()?));
    for _ in 0..datagrams {
        let (data, from) = socket.receive().await?;
        println!("{}: {}", from_wasi(from), String::from_utf8_lossy(&data));
        socket.send(data, Some(from)).await?;
    }
    Ok(())
}

async fn send(addr: &str, text: &str, wait_for_answer: bool) -> Result<(), ErrorCode> {
    let addr = parse(addr);
    let local = match addr {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = bound_udp(local)?;
    socket.connect(to_wasi(addr))?;
    socket.send(text.as_bytes().to_vec(), None).await?;
    if wait_for_answer {
        let (data, _) = socket.receive().await?;
        println!("{}", String::from_utf8_lossy(&data));
    }
    Ok(())
}

async fn resolve(name: &str) -> Result<(), ErrorCode> {
    let found = resolve_addresses(name.to_owned()).await;
    for address in found.map_err(|_| ErrorCode::AccessDenied)? {
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
    let socket = UdpSocket::create(family(addr))?;
    socket.bind(to_wasi(addr))?;
    Ok(socket)
}

/// `AccessDenied`
fn name(error: &ErrorCode) -> String {
    let name = format!("{error:?}");
    name.trim_start_matches("ErrorCode::").to_owned()
}

fn parse(addr: &str) -> SocketAddr {
    addr.parse()
        .unwrap_or_else(|_| panic!("{addr} is no address (like 127.0.0.1:7000)"))
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
