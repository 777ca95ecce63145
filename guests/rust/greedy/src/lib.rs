//! A WASI 0.2 HTTP component that takes more than it may, where `http-lab` does not.
//!
//!     /stack?n=N              calls itself N deep
//!     /tcp?to=ADDR&n=N        connects and writes N bytes
//!     /tcp-read?to=ADDR       connects and reads to the end
//!     /udp?to=ADDR&n=N        sends N datagrams of 1000 bytes
//!     /udp-read?n=N&tell=ADDR takes N datagrams at a port that it tells ADDR of
//!
//! The answer is `held N`, or `stopped N: WHY` where N is how much went well.
use std::io::{Read, Write};
use std::net::SocketAddr;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

struct Greedy;
wasip2::http::proxy::export!(Greedy);

impl wasip2::exports::http::incoming_handler::Guest for Greedy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let n = value(query, "n").and_then(|n| n.parse().ok()).unwrap_or(0);
        let to = value(query, "to").or(value(query, "tell"));
        let to = to.and_then(|to| to.parse().ok());
        let said = match (path, to) {
            ("/", _) => "held 0".to_owned(),
            ("/stack", _) => format!("held {}", down(n)),
            ("/tcp", Some(to)) => said(tcp(to, n)),
            ("/tcp-read", Some(to)) => said(tcp_read(to)),
            ("/udp", Some(to)) => said(udp(to, n)),
            ("/udp-read", Some(tell)) => said(udp_read(tell, n)),
            _ => "stopped 0: no such route".to_owned(),
        };
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("asked for once");
        ResponseOutparam::set(out, Ok(response));
        let mut stream = body.write().expect("asked for once");
        stream.write_all(said.as_bytes()).expect("it can be written");
        drop(stream);
        OutgoingBody::finish(body, None).expect("the body is whole");
    }
}

/// How much went well, and why no more.
type Done = (u64, Option<String>);

fn said((n, why): Done) -> String {
    match why {
        None => format!("held {n}"),
        Some(why) => format!("stopped {n}: {why}"),
    }
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// Each call has a frame of its own: what it does with the result cannot be done beforehand.
#[inline(never)]
fn down(n: u64) -> u64 {
    match n {
        0 => 0,
        n => (down(n - 1).rotate_left(1) ^ n).rotate_right(3),
    }
}

fn tcp(to: SocketAddr, n: u64) -> Done {
    match connect(to) {
        Ok((_socket, _input, mut output)) => {
            let piece = [b'x'; 1000];
            let mut sent = 0;
            while sent < n {
                let more = output.write_all(&piece).and_then(|()| Write::flush(&mut output));
                if let Err(error) = more {
                    return (sent, Some(error.to_string()));
                }
                sent += piece.len() as u64;
            }
            (sent, None)
        }
        Err(error) => (0, Some(error.name().to_owned())),
    }
}

fn tcp_read(to: SocketAddr) -> Done {
    match connect(to) {
        Ok((_socket, mut input, _output)) => {
            let (mut read, mut buffer) = (0, [0; 1000]);
            loop {
                match Read::read(&mut input, &mut buffer) {
                    Ok(0) => return (read, None),
                    Ok(n) => read += n as u64,
                    Err(error) => return (read, Some(error.to_string())),
                }
            }
        }
        Err(error) => (0, Some(error.name().to_owned())),
    }
}

fn connect(to: SocketAddr) -> Result<(TcpSocket, InputStream, OutputStream), ErrorCode> {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(&instance_network(), to_wasi(to))?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Ok((input, output)) => return Ok((socket, input, output)),
            Err(error) => return Err(error),
        }
    }
}

fn udp(to: SocketAddr, n: u64) -> Done {
    let mut sent = 0;
    let mut send = || -> Result<(), ErrorCode> {
        let (_socket, output) = bound()?;
        while sent < n {
            datagram(&output, to, vec![b'x'; 1000])?;
            sent += 1;
        }
        Ok(())
    };
    let why = send().err().map(|error| error.name().to_owned());
    (sent, why)
}

fn udp_read(tell: SocketAddr, n: u64) -> Done {
    let mut read = 0;
    let mut receive = || -> Result<(), ErrorCode> {
        let socket = socket()?;
        let (input, output) = socket.stream(None)?;
        datagram(&output, tell, b"here".to_vec())?;
        while read < n {
            input.subscribe().block();
            read += input.receive(1)?.len() as u64;
        }
        Ok(())
    };
    let why = receive().err().map(|error| error.name().to_owned());
    (read, why)
}

fn socket() -> Result<UdpSocket, ErrorCode> {
    let socket = create_udp_socket(IpAddressFamily::Ipv4)?;
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    socket.start_bind(&instance_network(), to_wasi(any))?;
    socket.finish_bind()?;
    Ok(socket)
}

fn bound() -> Result<(UdpSocket, wasip2::sockets::udp::OutgoingDatagramStream), ErrorCode> {
    let socket = socket()?;
    let (_input, output) = socket.stream(None)?;
    Ok((socket, output))
}

fn datagram(
    output: &wasip2::sockets::udp::OutgoingDatagramStream,
    to: SocketAddr,
    data: Vec<u8>,
) -> Result<(), ErrorCode> {
    output.subscribe().block();
    output.check_send()?;
    let one = OutgoingDatagram {
        data,
        remote_address: Some(to_wasi(to)),
    };
    output.send(&[one]).map(|_| ())
}

fn to_wasi(addr: SocketAddr) -> IpSocketAddress {
    let address = match addr {
        SocketAddr::V4(addr) => addr.ip().octets().into(),
        SocketAddr::V6(_) => panic!("only IPv4"),
    };
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: addr.port(),
        address,
    })
}
