//! A body that goes to a function as it comes: bytes as they are, other items from a line of JSON each.

use bytes::Bytes;
use holm_runtime::limits::{HeldMemory, Limit, Meter};
use holm_runtime::receipt::Flows;
use holm_runtime::values::json::{self, NoHandles};
use holm_runtime::values::{FlowSender, Misfit, Mismatch, Numbers, Param, Type, Value};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;

/// Longest line: 1 MiB. What is longer is no item of a stream, but something to be collected.
const LINE_MAX: usize = 1 << 20;
/// Items of a piece; what a function may have waiting for it is a few pieces.
const PIECE_ITEMS: usize = 1024;
/// Text of a piece, the last of its lines aside: 64 KiB.
const PIECE_BYTES: usize = 64 << 10;

/// Feeds a body to a function's last parameter, as fast as the function reads. Ends only where the
/// call must; `held` is the memory of the one line that has not come to its end yet.
pub(super) async fn feed<B, T>(
    param: &Param,
    mut body: B,
    mut sender: FlowSender,
    (meter, flows): (&Meter, &Flows),
    held: HeldMemory,
) -> wasmtime::Result<Result<T, Misfit>>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut lines = match &param.ty {
        Type::Stream(Some(item)) if !matches!(**item, Type::U8) => {
            Some(Lines::new(&param.name, item, held))
        }
        _ => None,
    };
    let mut size = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            let early = Mismatch::new("the body ended before its end");
            return Ok(Err(Misfit::Arguments(early)));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        size = size.saturating_add(data.len() as u64);
        if size > meter.allowance().request_body {
            return Err(meter.reach(Limit::RequestBody).into());
        }
        Flows::add(&flows.request_in, data.len());
        let fed = match &mut lines {
            Some(lines) => lines.feed(&data, &mut sender).await,
            None => Ok(sender.send(Value::Numbers(Numbers::U8(data.into()))).await),
        };
        match fed {
            Ok(true) => {}
            // The function wants no more of it.
            Ok(false) => return std::future::pending().await,
            Err(wrong) => return refused(wrong, meter),
        }
    }
    if let Some(lines) = &mut lines
        && let Err(wrong) = lines.end(&mut sender).await
    {
        return refused(wrong, meter);
    }
    drop(sender);
    std::future::pending().await
}

fn refused<T>(wrong: Wrong, meter: &Meter) -> wasmtime::Result<Result<T, Misfit>> {
    match wrong {
        Wrong::Line(mismatch) => Ok(Err(Misfit::Arguments(mismatch))),
        Wrong::NoMemory(limit) => Err(meter.reach(limit).into()),
    }
}

/// Why a body of lines goes no further.
#[derive(Debug)]
enum Wrong {
    /// A line is no item.
    Line(Mismatch),
    /// There is no memory for it.
    NoMemory(Limit),
}

/// Items out of lines.
struct Lines<'a> {
    parameter: &'a str,
    item: &'a Type,
    /// Lines that have ended.
    lines: u64,
    /// Items that were in them: an empty line has none.
    items: usize,
    /// The beginning of the next line.
    begun: Vec<u8>,
    /// The memory of that.
    held: HeldMemory,
    piece: Value,
    piece_bytes: usize,
}

impl<'a> Lines<'a> {
    fn new(parameter: &'a str, item: &'a Type, held: HeldMemory) -> Self {
        Lines {
            parameter,
            item,
            lines: 0,
            items: 0,
            begun: Vec::new(),
            held,
            piece: none_of(item),
            piece_bytes: 0,
        }
    }

    /// Reads what has come, and sends the items of all lines that have ended; false where nobody
    /// wants them.
    async fn feed(&mut self, mut data: &[u8], sender: &mut FlowSender) -> Result<bool, Wrong> {
        while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&data[..end], &data[end + 1..]);
            data = rest;
            if self.begun.is_empty() {
                self.line(line)?;
            } else {
                self.begin(line)?;
                let mut whole = std::mem::take(&mut self.begun);
                self.line(&whole)?;
                whole.clear();
                self.begun = whole;
            }
            let full = self.piece_bytes >= PIECE_BYTES || self.items_of_piece() >= PIECE_ITEMS;
            if full && !self.send(sender).await {
                return Ok(false);
            }
        }
        self.begin(data)?;
        Ok(self.send(sender).await)
    }

    /// Reads the last line, which may end with the body.
    async fn end(&mut self, sender: &mut FlowSender) -> Result<(), Wrong> {
        let last = std::mem::take(&mut self.begun);
        self.line(&last)?;
        self.send(sender).await;
        Ok(())
    }

    /// Keeps the beginning of a line.
    fn begin(&mut self, data: &[u8]) -> Result<(), Wrong> {
        let length = self.begun.len() + data.len();
        if length > LINE_MAX {
            return Err(self.wrong(Mismatch::new("it has more than 1 MiB")));
        }
        let more = (length as u64).saturating_sub(self.held.bytes());
        self.held.take(more).map_err(Wrong::NoMemory)?;
        self.begun.extend_from_slice(data);
        Ok(())
    }

    /// Reads a line.
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        if line.len() > LINE_MAX {
            return Err(self.wrong(Mismatch::new("it has more than 1 MiB")));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            self.lines += 1;
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| Mismatch::new("it is not UTF-8"));
        let value = text.and_then(|text| json::from_str(self.item, text, &mut NoHandles));
        let value = value.map_err(|mismatch| self.wrong(mismatch))?;
        match &mut self.piece {
            Value::Numbers(numbers) => {
                numbers.push(&value);
            }
            Value::List(values) => values.push(value),
            // It is one of these two.
            _ => {}
        }
        self.lines += 1;
        self.items += 1;
        self.piece_bytes += line.len();
        Ok(())
    }

    /// What is wrong with the next line, with its number and that of its item.
    fn wrong(&self, mut mismatch: Mismatch) -> Wrong {
        // The parser counts lines too, and knows of one.
        if let Some((what, column)) = mismatch.problem.rsplit_once(" at line 1 column ") {
            mismatch.problem = format!("{what} at column {column}");
        }
        mismatch.problem = format!("line {}: {}", self.lines + 1, mismatch.problem);
        Wrong::Line(mismatch.at(self.items).within(self.parameter))
    }

    fn items_of_piece(&self) -> usize {
        match &self.piece {
            Value::Numbers(numbers) => numbers.len(),
            Value::List(values) => values.len(),
            _ => 0,
        }
    }

    /// Sends what there is; false where nobody wants it.
    async fn send(&mut self, sender: &mut FlowSender) -> bool {
        if self.items_of_piece() == 0 {
            return true;
        }
        self.piece_bytes = 0;
        let piece = std::mem::replace(&mut self.piece, none_of(self.item));
        sender.send(piece).await
    }
}

/// No items yet.
fn none_of(item: &Type) -> Value {
    match Numbers::of(item) {
        Some(numbers) => Value::Numbers(numbers),
        None => Value::List(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use holm_runtime::limits::{HostMemory, TenantMemory};
    use holm_runtime::values::Flow;
    use proptest::prelude::*;

    /// Reads text that comes in pieces: the items, or what is wrong.
    fn read(item: &Type, pieces: &[&[u8]]) -> Result<Vec<Value>, String> {
        let memory = TenantMemory::new(&HostMemory::of(64 << 20), false, u64::MAX);
        let mut lines = Lines::new("items", item, HeldMemory::of(&memory));
        let (mut sender, flow) = Flow::new();
        let feed = async {
            for piece in pieces {
                assert!(lines.feed(piece, &mut sender).await?);
            }
            lines.end(&mut sender).await?;
            drop(sender);
            Ok(())
        };
        let collect = async {
            let mut all = Vec::new();
            let mut pieces = flow.pieces().unwrap();
            while let Some(piece) = pieces.next().await {
                match piece {
                    Value::Numbers(numbers) => all.extend(numbers.iter()),
                    Value::List(values) => all.extend(values),
                    other => panic!("{other:?}"),
                }
            }
            Ok(all)
        };
        let read = futures::executor::block_on(async { futures::try_join!(feed, collect) });
        read.map(|((), all)| all).map_err(|wrong| match wrong {
            Wrong::Line(mismatch) => mismatch.to_string(),
            Wrong::NoMemory(limit) => format!("{limit:?}"),
        })
    }

    #[test]
    fn lines_are_items_and_empty_ones_are_none() {
        let text = b"1\n\n 2 \r\n3";
        let numbers: Vec<Value> = [1_u32, 2, 3].map(Value::from).into();
        assert_eq!(read(&Type::U32, &[text]), Ok(numbers));
        let words = read(&Type::String, &[b"\"a\\nb\"\n\"", b"c\"\n"]).unwrap();
        assert_eq!(words, ["a\nb", "c"].map(|w| Value::from(w.to_owned())));
        assert_eq!(read(&Type::U32, &[]), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let wrong = |text: &[u8]| read(&Type::U32, &[text]).unwrap_err();
        assert_eq!(
            wrong(b"1\n\n\"x\"\n4"),
            "items[1]: line 3: expected u32, got \"x\""
        );
        assert_eq!(
            wrong(b"1\n\"a\n"),
            "items[1]: line 2: it is not JSON: EOF while parsing a string at column 2"
        );
        assert_eq!(
            wrong(b"1 2"),
            "items[0]: line 1: it is not JSON: trailing characters at column 3"
        );
        assert_eq!(wrong(b"\xff\n"), "items[0]: line 1: it is not UTF-8");
        let long = vec![b'1'; LINE_MAX + 1];
        assert_eq!(wrong(&long), "items[0]: line 1: it has more than 1 MiB");
        let (first, second) = long.split_at(LINE_MAX / 2);
        let split = read(&Type::U32, &[first, second]).unwrap_err();
        assert_eq!(split, "items[0]: line 1: it has more than 1 MiB");
    }

    proptest! {
        #[test]
        fn wherever_it_is_cut_it_reads_the_same(
            numbers in proptest::collection::vec(any::<u64>(), 0..3000),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text: String = numbers.iter().map(|n| format!("\"{n}\"\n")).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            let all: Vec<Value> = numbers.into_iter().map(Value::from).collect();
            prop_assert_eq!(read(&Type::U64, &pieces), Ok(all));
        }
    }
}
