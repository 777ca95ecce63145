//! An HTTP component of 0.3 that calls `link-callee-p3` over a link, a path for each thing that a test
//! wants to see: the answer is `ok`, or what is not as it should be.
use futures::FutureExt;
use futures::future::join;
use holm::linked_async::api::{self, Job};
use holm::linked_async::plain;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wit_bindgen::spawn_local;

wit_bindgen::generate!({ path: "../../wit/linked-async", world: "caller" });

struct Caller;
wasip3::http::service::export!(Caller);

impl wasip3::exports::http::handler::Guest for Caller {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let number: u32 = query.parse().unwrap_or(1);
        let wrong = match path {
            "/plain" => is(api::plain(number), number + 1),
            "/double" => is(api::double(number).await, number * 2),
            "/upper" => upper(number).await,
            "/sum" => sum(number).await,
            "/calls" => calls(number).await,
            "/count" => {
                let all: Vec<u32> = (1..=number).collect();
                is(api::count(number).await.collect().await, all)
            }
            "/some" => some().await,
            "/later" => is(api::later(7).await.await, "number 7".to_owned()),
            "/meet" => is(join(api::meet(), api::meet()).await, (2, 2)),
            "/jobs" => jobs().await,
            "/drop" => a_drop().await,
            "/give-up" => give_up().await,
            "/triple" => is(plain::triple(number), number * 3),
            "/cut-short" => {
                let all = api::count_and_trap(number).await.collect().await;
                format!("an end after {}", all.len())
            }
            "/refused" => refused().await,
            "/sleep" => {
                api::sleep(number).await;
                String::new()
            }
            "/trap" => {
                api::trap().await;
                String::new()
            }
            "/spin" => {
                api::spin().await;
                String::new()
            }
            _ => String::new(),
        };
        let text = match wrong.is_empty() {
            true => "ok\n".to_owned(),
            false => format!("wrong: {wrong}\n"),
        };
        let (mut writer, body) = wasip3::wit_stream::new();
        let (_, no_trailers) = wasip3::wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(body), no_trailers);
        spawn_local(async move {
            writer.write_all(text.into_bytes()).await;
        });
        Ok(response)
    }
}

/// Nothing, or what it is in place of what it should be.
fn is<T: PartialEq + std::fmt::Debug>(it: T, should: T) -> String {
    match it == should {
        true => String::new(),
        false => format!("{it:?}, not {should:?}"),
    }
}

/// So many calls, one after the other.
async fn calls(number: u32) -> String {
    let mut sum = 0;
    for _ in 0..number {
        sum += api::double(1).await;
    }
    is(sum, number * 2)
}

async fn upper(bytes: u32) -> String {
    let (mut writer, text) = wit_stream::new();
    let sent: Vec<u8> = (0..bytes).map(|n| b'a' + (n % 26) as u8).collect();
    let should = sent.to_ascii_uppercase();
    let got = api::upper(text).await;
    let (_, got) = join(
        async move {
            writer.write_all(sent).await;
        },
        got.collect(),
    )
    .await;
    match got == should {
        true => String::new(),
        false => format!("{} bytes of {bytes} came back", got.len()),
    }
}

async fn sum(to: u32) -> String {
    let (mut writer, numbers) = wit_stream::new();
    let all: Vec<u32> = (1..=to).collect();
    let should = all.iter().map(|n| u64::from(*n)).sum();
    let (_, sum) = join(
        async move {
            writer.write_all(all).await;
        },
        api::sum(numbers),
    )
    .await;
    is(sum, should)
}

/// Reads the head of a stream and lets go of it.
async fn some() -> String {
    let mut numbers = api::count(1_000_000).await;
    let (_, first) = numbers.read(Vec::with_capacity(1)).await;
    drop(numbers);
    is((first, api::double(4).await), (vec![1], 8))
}

async fn jobs() -> String {
    let (a, b) = (Job::new(1), Job::new(10));
    let ran = join(a.run(), b.run()).await;
    drop((a, b));
    is((ran, api::dropped().await), ((2, 11), 2))
}

/// Drops a resource while another call waits for just that.
async fn a_drop() -> String {
    let job = Job::new(1);
    let (dropped, _) = join(api::a_drop(), async { drop(job) }).await;
    is(dropped, 1)
}

/// Gives up a call that borrows a resource, and the resource.
async fn give_up() -> String {
    let job = Job::new(1);
    let gave_up = job.hang().now_or_never().is_none();
    drop(job);
    is((gave_up, api::double(4).await), (true, 8))
}

/// Writes to a callee that traps at it, and asks for nothing else.
async fn refused() -> String {
    let (mut writer, numbers) = wit_stream::new();
    api::trap_at_zero(numbers).await;
    let mut sent = 0;
    while writer.write_all(vec![0]).await.is_empty() {
        sent += 1;
    }
    format!("an end after {sent}")
}
