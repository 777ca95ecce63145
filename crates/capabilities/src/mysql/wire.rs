//! The protocol: packets on a stream of ours, and the log-in. What is in a packet, the library reads and
//! writes; how much may come is decided here, before it is held.

use super::address::Login;
use crate::outbound::{ANSWER_BYTES_MAX, Address, Connected, Way};
use bytes::{Buf, Bytes, BytesMut};
use mysql_common::constants::{CapabilityFlags as Can, StatusFlags, UTF8MB4_GENERAL_CI};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    AuthPlugin, AuthSwitchRequest, CommonOkPacket, ErrPacket, HandshakePacket, HandshakeResponse,
    OkPacket, OkPacketDeserializer, OkPacketKind, SslRequest,
};
use mysql_common::proto::{MyDeserialize, MySerialize};
use std::io;
use std::panic::catch_unwind;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The most bytes of one part of a packet; a part of that size is followed by another.
const PART_BYTES: usize = 0xFF_FFFF;
/// The longest public key of a server that a password is locked with: that of 16384 bits.
const KEY_BYTES_MAX: usize = 4 << 10;
/// The server's words for a connection that it closes: shutdown, aborted, killed, killed, idle for too
/// long.
const LAST_WORDS: &[u16] = &[1053, 1152, 1927, 3169, 4031];
/// The most rounds of a log-in.
const ROUNDS_MAX: usize = 8;

/// What came of it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server's own word: its number, and the text for a guest.
    Server(u16, String),
    /// The connection is of no more use, and why.
    Broken(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Broken(match error.kind() {
            io::ErrorKind::InvalidData => strange(),
            _ => format!("the connection broke: {error}"),
        })
    }
}

/// What is said of a server that does not speak the protocol.
fn strange() -> String {
    "the server answered out of turn".to_owned()
}

/// The same as an error.
pub(super) fn out_of_turn() -> Trouble {
    Trouble::Broken(strange())
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection that has logged in.
pub(super) struct Channel {
    stream: Box<dyn Stream>,
    /// What came and is not read yet.
    read: BytesMut,
    /// The number of the next packet.
    next: u8,
    /// What both sides can do.
    pub can: Can,
    /// What the server said of the session last.
    pub status: StatusFlags,
    /// The server's number for the connection.
    pub id: u32,
}

impl Channel {
    /// Logs in on a connection to `to`.
    pub(super) async fn log_in(
        way: &Way,
        to: &Address,
        login: &Login,
        connected: Connected,
    ) -> Result<Self, Trouble> {
        let mut stream = connected.stream;
        let mut read = BytesMut::new();
        let mut next = 0;
        let hello = packet(&mut stream, &mut read, &mut next).await?;
        if let Some(refused) = refusal(&hello, Can::empty())? {
            return Err(refused);
        }
        let hello = parse::<HandshakePacket<'_>>(&hello, ())?;
        let mut wanted = Can::CLIENT_PROTOCOL_41
            | Can::CLIENT_SECURE_CONNECTION
            | Can::CLIENT_LONG_PASSWORD
            | Can::CLIENT_TRANSACTIONS
            | Can::CLIENT_MULTI_RESULTS
            | Can::CLIENT_PS_MULTI_RESULTS
            | Can::CLIENT_DEPRECATE_EOF
            | Can::CLIENT_PLUGIN_AUTH;
        wanted.set(Can::CLIENT_CONNECT_WITH_DB, login.database.is_some());
        wanted.set(Can::CLIENT_SSL, login.tls);
        let can = hello.capabilities() & wanted;
        if !can.contains(Can::CLIENT_PROTOCOL_41 | Can::CLIENT_SECURE_CONNECTION) {
            return Err(Trouble::Broken("the server is too old".to_owned()));
        }
        let most = u32::try_from(ANSWER_BYTES_MAX).unwrap_or(u32::MAX);
        // What comes before TLS says nothing about who sent it.
        if !read.is_empty() {
            return Err(out_of_turn());
        }
        let stream: Box<dyn Stream> = match login.tls {
            false => Box::new(stream),
            true if !can.contains(Can::CLIENT_SSL) => {
                return Err(Trouble::Broken("the server has no TLS".to_owned()));
            }
            true => {
                let ask = SslRequest::new(can, most, UTF8MB4_GENERAL_CI as u8);
                send(&mut stream, &mut next, &written(&ask)).await?;
                let made = way.tls(to, stream).await;
                Box::new(made.map_err(|error| Trouble::Broken(format!("TLS failed: {error}")))?)
            }
        };
        let mut channel = Channel {
            stream,
            read,
            next,
            can,
            status: hello.status_flags(),
            id: hello.connection_id(),
        };
        let plugin = match hello.auth_plugin() {
            Some(AuthPlugin::CachingSha2Password) => AuthPlugin::CachingSha2Password,
            _ => AuthPlugin::MysqlNativePassword,
        };
        let nonce = hello.nonce();
        let proof = proof(&plugin, login, &nonce);
        let response = HandshakeResponse::new(
            Some(proof),
            // All that are new enough speak UTF-8 with four bytes.
            (8, 0, 0),
            Some(login.user.as_bytes()),
            login.database.as_ref().map(|name| name.as_bytes()),
            can.contains(Can::CLIENT_PLUGIN_AUTH)
                .then(|| plugin.borrow()),
            can,
            None,
            most,
        );
        channel.send(&written(&response)).await?;
        channel.prove(login, plugin.into_owned(), nonce).await?;
        Ok(channel)
    }

    /// Proves who the guest is, until the server is content.
    async fn prove(
        &mut self,
        login: &Login,
        mut plugin: AuthPlugin<'static>,
        mut nonce: Vec<u8>,
    ) -> Result<(), Trouble> {
        for _ in 0..ROUNDS_MAX {
            let packet = self.packet().await?;
            match &packet[..] {
                [0x00, ..] => return self.ok::<CommonOkPacket>(&packet),
                [0xFE, _, ..] => {
                    let other = parse::<AuthSwitchRequest<'_>>(&packet, ())?;
                    plugin = other.auth_plugin().into_owned();
                    nonce = other.plugin_data().to_vec();
                    let known = matches!(
                        plugin,
                        AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword
                    );
                    if !known {
                        let name = String::from_utf8_lossy(plugin.as_bytes()).into_owned();
                        let told = format!(
                            "the server wants the log-in {name:?}, which is not known here"
                        );
                        return Err(Trouble::Broken(told));
                    }
                    let proof = proof(&plugin, login, &nonce);
                    self.send(&proof).await?;
                }
                // It knows the password by its hash already.
                [0x01, 0x03] if plugin == AuthPlugin::CachingSha2Password => {}
                [0x01, 0x04] if plugin == AuthPlugin::CachingSha2Password => {
                    let mut password = login.password.clone().into_bytes();
                    password.push(0);
                    if !login.tls {
                        self.send(&[0x02]).await?;
                        let key = self.packet().await?;
                        let [0x01, key @ ..] = &key[..] else {
                            return Err(out_of_turn());
                        };
                        password = locked(password, &nonce, key).ok_or_else(out_of_turn)?;
                    }
                    self.send(&password).await?;
                }
                _ => return Err(out_of_turn()),
            }
        }
        Err(out_of_turn())
    }

    /// The next packet of the server's, unless it is an error.
    pub(super) async fn packet(&mut self) -> Result<Bytes, Trouble> {
        let packet = packet(&mut self.stream, &mut self.read, &mut self.next).await?;
        match refusal(&packet, self.can)? {
            Some(refused) => Err(refused),
            None => Ok(packet),
        }
    }

    /// Sends a command: its number and what belongs to it.
    pub(super) async fn command(&mut self, command: u8, more: &[u8]) -> Result<(), Trouble> {
        self.next = 0;
        self.send(&[&[command], more].concat()).await
    }

    /// Sends a command that the library has written.
    pub(super) async fn written(&mut self, command: &impl MySerialize) -> Result<(), Trouble> {
        self.next = 0;
        self.send(&written(command)).await
    }

    async fn send(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        Ok(send(&mut self.stream, &mut self.next, packet).await?)
    }

    /// Reads that all is well, and notes what the server says of the session.
    pub(super) fn ok<T: OkPacketKind>(&mut self, packet: &[u8]) -> Result<(), Trouble> {
        let ok: OkPacket<'_> = parse::<OkPacketDeserializer<'_, T>>(packet, self.can)?.into();
        self.status = ok.status_flags();
        Ok(())
    }
}

/// A packet, or a part of it, read by the library.
pub(super) fn parse<'a, T: MyDeserialize<'a>>(
    packet: &'a [u8],
    context: T::Ctx,
) -> Result<T, Trouble> {
    ParseBuf(packet)
        .parse::<T>(context)
        .map_err(|_| out_of_turn())
}

fn written(what: &impl MySerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    what.serialize(&mut bytes);
    bytes
}

/// The server's error, if the packet is one.
fn refusal(packet: &[u8], can: Can) -> Result<Option<Trouble>, Trouble> {
    if packet.first() != Some(&0xFF) {
        return Ok(None);
    }
    match parse::<ErrPacket<'_>>(packet, can)? {
        ErrPacket::Error(error) => {
            let (code, message) = (error.error_code(), error.message_str());
            let told = match error.sql_state_ref() {
                Some(state) => format!("{code} ({}): {message}", state.as_str()),
                None => format!("{code}: {message}"),
            };
            Ok(Some(match LAST_WORDS.contains(&code) {
                true => Trouble::Broken(told),
                false => Trouble::Server(code, told),
            }))
        }
        ErrPacket::Progress(_) => Err(out_of_turn()),
    }
}

/// What proves that the guest knows its password; nothing where it has none.
fn proof(plugin: &AuthPlugin<'_>, login: &Login, nonce: &[u8]) -> Vec<u8> {
    // The server ends it with a NUL.
    let nonce = nonce.get(..20).unwrap_or(nonce);
    let data = plugin.gen_data(Some(&login.password), nonce);
    data.map_or_else(Vec::new, |data| written(&data))
}

/// A password that only the holder of the key can read.
fn locked(mut password: Vec<u8>, nonce: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let nonce = nonce.get(..20).unwrap_or(nonce);
    if nonce.is_empty() || key.len() > KEY_BYTES_MAX {
        return None;
    }
    let round = nonce.iter().cycle();
    password.iter_mut().zip(round).for_each(|(a, b)| *a ^= b);
    // The library panics on what is no key.
    catch_unwind(|| mysql_common::crypto::encrypt(&password, key)).ok()
}

/// Reads a packet. Memory grows with what has come, and not with what is announced.
async fn packet(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
    next: &mut u8,
) -> io::Result<Bytes> {
    let mut parts = BytesMut::new();
    loop {
        fill(stream, read, 4).await?;
        let mut head = read.split_to(4);
        let length = usize::try_from(head.get_uint_le(3)).unwrap_or(usize::MAX);
        if head.get_u8() != *next || parts.len() + length > ANSWER_BYTES_MAX as usize {
            return Err(io::ErrorKind::InvalidData.into());
        }
        *next = next.wrapping_add(1);
        fill(stream, read, length).await?;
        let part = read.split_to(length);
        match (length == PART_BYTES, parts.is_empty()) {
            (false, true) => return Ok(part.freeze()),
            (false, false) => {
                parts.unsplit(part);
                return Ok(parts.freeze());
            }
            (true, _) => parts.unsplit(part),
        }
    }
}

async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    read: &mut BytesMut,
    wanted: usize,
) -> io::Result<()> {
    while read.len() < wanted {
        if stream.read_buf(read).await? == 0 {
            let told = "the server closed it";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, told));
        }
    }
    Ok(())
}

/// Sends a packet.
async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    next: &mut u8,
    packet: &[u8],
) -> io::Result<()> {
    let mut rest = packet;
    loop {
        let (part, after) = rest.split_at(rest.len().min(PART_BYTES));
        let mut bytes = Vec::with_capacity(part.len() + 4);
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
        bytes.push(*next);
        bytes.extend_from_slice(part);
        *next = next.wrapping_add(1);
        stream.write_all(&bytes).await?;
        rest = after;
        // One of exactly that size is followed by an empty one.
        if part.len() < PART_BYTES {
            return stream.flush().await;
        }
    }
}
