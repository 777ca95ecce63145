//! Statements on a connection, and what a server answers.

use super::session::Fault;
use super::types::{Column as Named, DbValue, RowSet};
use super::value;
use super::wire::{Channel, Trouble, out_of_turn, parse};
use crate::outbound::{self, Held};
use bytes::Bytes;
use lru::LruCache;
use mysql_common::Value;
use mysql_common::constants::{CapabilityFlags as Can, Command, StatusFlags};
use mysql_common::io::ParseBuf;
use mysql_common::packets::{
    Column, ComStmtClose, ComStmtExecuteRequestBuilder, ComStmtSendLongData, CommonOkPacket,
    OldEofPacket, ResultSetTerminator, StmtPacket,
};
use mysql_common::proto::{Binary, Text};
use mysql_common::row::{Row, RowDeserializer};
use mysql_common::value::ServerSide;
use std::mem::size_of;
use std::sync::Arc;

/// The server's word for a statement that cannot be prepared.
const NOT_PREPARABLE: u16 = 1295;
/// The most columns of an answer: no server has more.
const COLUMNS_MAX: u64 = 4096;
/// The most parameters of a statement: the protocol's own.
const VALUES_MAX: usize = u16::MAX as usize;
/// The longest text that a value of a few bytes becomes: a date with its time.
const TEXT_BYTES_MAX: usize = 32;
/// Bytes of a long parameter that are sent at once.
const PIECE_BYTES: usize = 8 << 20;

/// Statements that a connection keeps prepared: the server's number for each, and how many values it
/// wants.
pub(super) type Statements = LruCache<String, (u32, u16)>;

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Server(_, told) => Fault::Query(told),
            Trouble::Broken(told) => Fault::Other(told),
        }
    }
}

/// How an answer is written.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Binary,
}

impl Channel {
    /// Runs a statement; the rows are empty where it returns none.
    pub(super) async fn run(
        &mut self,
        statements: &mut Statements,
        statement: &str,
        values: &[Value],
    ) -> Result<RowSet, Fault> {
        let (id, wanted) = match self.prepared(statements, statement).await {
            Ok(prepared) => prepared,
            Err(Trouble::Server(NOT_PREPARABLE, _)) if values.is_empty() => {
                let query = Command::COM_QUERY as u8;
                self.command(query, statement.as_bytes()).await?;
                return self.answers(Form::Text).await;
            }
            Err(trouble) => return Err(trouble.into()),
        };
        if values.len() != usize::from(wanted) {
            let given = values.len();
            let told = format!("the statement wants {wanted} values and was given {given}");
            return Err(Fault::Query(told));
        }
        let done = self.execute(id, values).await;
        if !statements.contains(statement) {
            // It is not answered.
            self.written(&ComStmtClose::new(id)).await?;
        }
        done
    }

    async fn prepared(
        &mut self,
        statements: &mut Statements,
        statement: &str,
    ) -> Result<(u32, u16), Trouble> {
        if let Some(known) = statements.get(statement) {
            return Ok(*known);
        }
        let prepare = Command::COM_STMT_PREPARE as u8;
        self.command(prepare, statement.as_bytes()).await?;
        let packet = self.packet().await?;
        let made = parse::<StmtPacket>(&packet, ())?;
        // What they are is told again with the answer.
        for count in [made.num_params(), made.num_columns()] {
            for _ in 0..count {
                self.packet().await?;
            }
            if count > 0 {
                self.after_columns().await?;
            }
        }
        let made = (made.statement_id(), made.num_params());
        if statement.len() <= outbound::STATEMENT_BYTES_KEPT {
            // The one that was used longest ago makes room.
            if let Some((_, (id, _))) = statements.push(statement.to_owned(), made) {
                self.written(&ComStmtClose::new(id)).await?;
            }
        }
        Ok(made)
    }

    /// Older servers say that there are no more columns.
    async fn after_columns(&mut self) -> Result<(), Trouble> {
        match self.can.contains(Can::CLIENT_DEPRECATE_EOF) {
            true => Ok(()),
            false => {
                let end = self.packet().await?;
                self.ok::<OldEofPacket>(&end)
            }
        }
    }

    async fn execute(&mut self, id: u32, values: &[Value]) -> Result<RowSet, Fault> {
        debug_assert!(values.len() <= VALUES_MAX);
        let (request, long) = ComStmtExecuteRequestBuilder::new(id).build(values);
        if long {
            for (index, value) in (0..).zip(values) {
                let Value::Bytes(bytes) = value else { continue };
                // An empty one has to be said too.
                let mut pieces = bytes.chunks(PIECE_BYTES).peekable();
                if pieces.peek().is_none() {
                    let empty: &[u8] = &[];
                    let said = ComStmtSendLongData::new(id, index, empty);
                    self.written(&said).await?;
                }
                for piece in pieces {
                    let said = ComStmtSendLongData::new(id, index, piece);
                    self.written(&said).await?;
                }
            }
        }
        self.written(&request).await?;
        self.answers(Form::Binary).await
    }

    /// Reads all answers. A procedure may answer more than once; the first answer is the guest's.
    async fn answers(&mut self, form: Form) -> Result<RowSet, Fault> {
        let mut held = Held::default();
        let first = self.answer(form, &mut held, true).await?;
        while self
            .status
            .contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS)
        {
            self.answer(form, &mut held, false).await?;
        }
        Ok(first)
    }

    async fn answer(&mut self, form: Form, held: &mut Held, wanted: bool) -> Result<RowSet, Fault> {
        let mut found = RowSet {
            columns: Vec::new(),
            rows: Vec::new(),
        };
        let packet = self.packet().await?;
        match packet.first() {
            Some(0x00) => {
                self.ok::<CommonOkPacket>(&packet)?;
                return Ok(found);
            }
            // It asks for a file of ours.
            Some(0xFB) | None => return Err(out_of_turn().into()),
            Some(_) => {}
        }
        let columns = self.columns(&packet, held).await?;
        let name = |column: &Column| Named {
            name: column.name_str().into_owned(),
            data_type: value::data_type(column),
        };
        found.columns = columns.iter().map(name).collect();
        loop {
            let packet = self.packet().await?;
            let ends = match self.can.contains(Can::CLIENT_DEPRECATE_EOF) {
                true => packet.len() < 0xFF_FFFF,
                false => packet.len() < 9,
            };
            if packet.first() == Some(&0xFE) && ends {
                match self.can.contains(Can::CLIENT_DEPRECATE_EOF) {
                    true => self.ok::<ResultSetTerminator>(&packet)?,
                    false => self.ok::<OldEofPacket>(&packet)?,
                }
                return Ok(found);
            }
            if wanted {
                if found.rows.len() >= outbound::ANSWER_ROWS_MAX {
                    return Err(Fault::Other(outbound::too_many_rows()));
                }
                found.rows.push(row(&packet, form, &columns, held)?);
            }
        }
    }

    /// The columns of an answer whose first packet says how many there are.
    async fn columns(&mut self, packet: &Bytes, held: &mut Held) -> Result<Arc<[Column]>, Fault> {
        let count = ParseBuf(packet).checked_eat_lenenc_int();
        let count = count.filter(|count| (1..=COLUMNS_MAX).contains(count));
        let Some(count) = count else {
            return Err(out_of_turn().into());
        };
        let mut columns = Vec::new();
        for _ in 0..count {
            let packet = self.packet().await?;
            held.add(packet.len() + size_of::<Column>() + size_of::<Named>())?;
            columns.push(parse::<Column>(&packet, ())?);
        }
        self.after_columns().await?;
        Ok(columns.into())
    }
}

/// The values of a row.
fn row(
    packet: &[u8],
    form: Form,
    columns: &Arc<[Column]>,
    held: &mut Held,
) -> Result<Vec<DbValue>, Fault> {
    let value = size_of::<DbValue>() + TEXT_BYTES_MAX;
    held.add(size_of::<Vec<DbValue>>() + columns.len() * value + packet.len())?;
    let row: Row = match form {
        Form::Text => parse::<RowDeserializer<ServerSide, Text>>(packet, columns.clone())?.into(),
        Form::Binary => {
            parse::<RowDeserializer<ServerSide, Binary>>(packet, columns.clone())?.into()
        }
    };
    let pairs = row.unwrap().into_iter().zip(columns.iter());
    pairs
        .map(|(value, column)| {
            value::read(value, column).ok_or_else(|| {
                Fault::Conversion(format!(
                    "column {:?} holds what cannot be given to a guest",
                    column.name_str()
                ))
            })
        })
        .collect()
}
