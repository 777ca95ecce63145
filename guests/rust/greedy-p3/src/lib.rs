//! A WASI 0.3 HTTP component that takes more than it may, where `http-lab-p3` does not.
//!
//!     /stack?n=N              calls itself N deep
//!     /spin                   computes without end
//!     /now                    asks the host for the time without end
//!     /fill                   fills and copies 16 MiB without end
//!     /random?n=N             N random bytes in one call
//!     /grow                   takes memory until there is none
//!     /waits?n=N              N waits for the clock at once
//!     /streams?n=N            N streams, both ends of each
//!     /fields?n=N             answers with N header fields
//!     /data?n=N               one call of the host with N bytes
//!     /sockets?n=N            N sockets
//!     /requests?n=N&to=ADDR   N requests at once
//!     /tcp?to=ADDR&n=N        connects and writes N bytes
//!     /tcp-read?to=ADDR       connects and reads to the end
//!     /udp?to=ADDR&n=N        sends N datagrams of 1000 bytes
//!     /udp-read?n=N&tell=ADDR takes N datagrams at a port that it tells ADDR of
//!
//! The answer is `held N`, or `stopped N: WHY` where N is how much went well.
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use wasip3::clocks::monotonic_clock;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode as HttpError, Fields, Request, Response, Scheme};
use wasip3::random::random::get_random_bytes;
use wasip3::sockets::types::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::wit_bindgen::{FutureReader, StreamResult};
use wasip3::{spawn_local, wit_future, wit_stream};

/// Longer than any test.
const NEVER: u64 = u64::MAX / 2;

struct Greedy;
wasip3::http::service::export!(Greedy);

impl wasip3::exports::http::handler::Guest for Greedy {
    async fn handle(request: Request) -> Result<Response, HttpError> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let n = value(query, "n").and_then(|n| n.parse().ok()).unwrap_or(0);
        let to = value(query, "to").or(value(query, "tell"));
        let to: Option<SocketAddr> = to.and_then(|to| to.parse().ok());
        let said = match (path, to) {
            ("/", _) => "held 0".to_owned(),
            ("/stack", _) => format!("held {}", down(n)),
            ("/spin", _) => loop {
                black_box(0);
            },
            ("/now", _) => loop {
                black_box(monotonic_clock::now());
            },
            ("/fill", _) => {
                let mut from = vec![1u8; 16 << 20];
                let mut to = vec![0u8; 16 << 20];
                loop {
                    black_box(&mut from[..]).fill(2);
                    black_box(&mut to[..]).copy_from_slice(black_box(&from[..]));
                }
            }
            ("/random", _) => format!("held {}", get_random_bytes(n).len()),
            ("/grow", _) => loop {
                black_box(vec![1u8; 1 << 20].leak());
            },
            ("/waits", _) => {
                let mut waits: Vec<_> = (0..n)
                    .map(|_| Box::pin(monotonic_clock::wait_for(NEVER)))
                    .collect();
                begin(&mut waits).await;
                format!("held {}", waits.len())
            }
            ("/streams", _) => {
                let held: Vec<_> = (0..n).map(|_| wit_stream::new::<u8>()).collect();
                format!("held {}", held.len())
            }
            ("/fields", _) => {
                let fields = Fields::new();
                for i in 0..n {
                    if fields.append(&format!("x-{i}"), b"x").is_err() {
                        return text(Fields::new(), format!("stopped {i}: fields"));
                    }
                }
                return text(fields, format!("held {n}"));
            }
            ("/data", _) => {
                let value = vec![b'x'; n as usize];
                let made = Fields::from_list(&[("x-data".to_owned(), value)]);
                format!("held {}", u64::from(made.is_ok()))
            }
            ("/sockets", _) => {
                let mut held = Vec::new();
                let mut why = None;
                while held.len() < n as usize && why.is_none() {
                    match TcpSocket::create(IpAddressFamily::Ipv4) {
                        Ok(socket) => held.push(socket),
                        Err(error) => why = Some(name(&error)),
                    }
                }
                said((held.len() as u64, why))
            }
            ("/requests", Some(to)) => said(requests(to, n).await),
            ("/tcp", Some(to)) => said(tcp(to, n).await),
            ("/tcp-read", Some(to)) => said(tcp_read(to).await),
            ("/udp", Some(to)) => said(udp(to, n).await),
            ("/udp-read", Some(tell)) => said(udp_read(tell, n).await),
            _ => "stopped 0: no such route".to_owned(),
        };
        text(Fields::new(), said)
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

fn text(fields: Fields, said: String) -> Result<Response, HttpError> {
    let (mut writer, reader) = wit_stream::new();
    spawn_local(async move {
        writer.write_all(said.into_bytes()).await;
    });
    let (response, _sent) = Response::new(fields, Some(reader), no_trailers());
    Ok(response)
}

fn no_trailers() -> FutureReader<Result<Option<Fields>, HttpError>> {
    wit_future::new(|| Ok(None)).1
}

fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// Polls each once, which begins it.
async fn begin<F: Future>(all: &mut [Pin<Box<F>>]) {
    poll_fn(|cx| {
        for one in &mut *all {
            let _ = one.as_mut().poll(cx);
        }
        Poll::Ready(())
    })
    .await;
}

/// Each call has a frame of its own: what it does with the result cannot be done beforehand.
#[inline(never)]
fn down(n: u64) -> u64 {
    match n {
        0 => 0,
        n => (down(n - 1).rotate_left(1) ^ n).rotate_right(3),
    }
}

/// Requests whose answers are kept: how many could be had.
async fn requests(to: SocketAddr, n: u64) -> Done {
    let mut held = Vec::new();
    while (held.len() as u64) < n {
        let (request, _sent) = Request::new(Fields::new(), None, no_trailers(), None);
        let _ = request.set_scheme(Some(&Scheme::Http));
        let _ = request.set_authority(Some(&to.to_string()));
        let _ = request.set_path_with_query(Some("/"));
        match client::send(request).await {
            Ok(response) => held.push(response),
            Err(error) => {
                let why = format!("{error:?}");
                return (held.len() as u64, Some(why));
            }
        }
    }
    (held.len() as u64, None)
}

async fn tcp(to: SocketAddr, n: u64) -> Done {
    let socket = match connect(to).await {
        Ok(socket) => socket,
        Err(error) => return (0, Some(name(&error))),
    };
    let (mut writer, data) = wit_stream::new();
    let end = socket.send(data);
    let mut sent = 0;
    while sent < n {
        if !writer.write_all(vec![b'x'; 1000]).await.is_empty() {
            break;
        }
        sent += 1000;
    }
    drop(writer);
    (sent, end.await.err().map(|error| name(&error)))
}

async fn tcp_read(to: SocketAddr) -> Done {
    let socket = match connect(to).await {
        Ok(socket) => socket,
        Err(error) => return (0, Some(name(&error))),
    };
    let (mut data, end) = socket.receive();
    let (mut read, mut buffer) = (0, Vec::with_capacity(1000));
    loop {
        let status;
        (status, buffer) = data.read(buffer).await;
        read += buffer.len() as u64;
        buffer.clear();
        if !matches!(status, StreamResult::Complete(_)) {
            break;
        }
    }
    drop(data);
    (read, end.await.err().map(|error| name(&error)))
}

async fn connect(to: SocketAddr) -> Result<TcpSocket, ErrorCode> {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4)?;
    socket.connect(to_wasi(to)).await?;
    Ok(socket)
}

async fn udp(to: SocketAddr, n: u64) -> Done {
    let socket = match bound() {
        Ok(socket) => socket,
        Err(error) => return (0, Some(name(&error))),
    };
    for sent in 0..n {
        if let Err(error) = socket.send(vec![b'x'; 1000], Some(to_wasi(to))).await {
            return (sent, Some(name(&error)));
        }
    }
    (n, None)
}

async fn udp_read(tell: SocketAddr, n: u64) -> Done {
    let socket = match bound() {
        Ok(socket) => socket,
        Err(error) => return (0, Some(name(&error))),
    };
    if let Err(error) = socket.send(b"here".to_vec(), Some(to_wasi(tell))).await {
        return (0, Some(name(&error)));
    }
    for read in 0..n {
        if let Err(error) = socket.receive().await {
            return (read, Some(name(&error)));
        }
    }
    (n, None)
}

fn bound() -> Result<UdpSocket, ErrorCode> {
    let socket = UdpSocket::create(IpAddressFamily::Ipv4)?;
    socket.bind(to_wasi(SocketAddr::from(([0, 0, 0, 0], 0))))?;
    Ok(socket)
}

fn name(error: &ErrorCode) -> String {
    format!("{error:?}")
        .trim_start_matches("ErrorCode::")
        .to_owned()
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
