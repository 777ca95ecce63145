//! A WASI 0.3 HTTP component that works on after its answer, and one that answers gRPC:
//!
//!     /after?ms=N          answers, waits so long, and says so on standard output
//!     /lab.Echo/Say        gives a call's message back, with the status 0 in the trailers
//!     /lab.Echo/Each       gives each message of a stream back as it comes
//!     /lab.Echo/Fail       answers with the status 5 and a text
use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::{FutureReader, StreamReader, StreamResult};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Lab;
wasip3::http::service::export!(Lab);

type Trailers = FutureReader<Result<Option<Fields>, ErrorCode>>;

impl wasip3::exports::http::handler::Guest for Lab {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path {
            "/after" => {
                let ms: u64 = query.trim_start_matches("ms=").parse().unwrap_or(0);
                let (mut writer, body) = wit_stream::new();
                spawn_local(async move {
                    writer.write_all(b"answered\n".to_vec()).await;
                    drop(writer);
                    monotonic_clock::wait_for(ms * 1_000_000).await;
                    println!("worked on after the answer");
                });
                respond("text/plain", Some(body), wit_future::new(|| Ok(None)).1)
            }
            "/lab.Echo/Say" | "/lab.Echo/Each" => {
                let (_done, result) = wit_future::new(|| Ok(()));
                let (mut from, _) = Request::consume_body(request, result);
                let (mut writer, body) = wit_stream::new();
                let (last, trailers) = wit_future::new(|| Ok(None));
                spawn_local(async move {
                    // Message by message they came, and so they go.
                    loop {
                        let (status, piece) = from.read(Vec::with_capacity(64 * 1024)).await;
                        if !piece.is_empty() && !writer.write_all(piece).await.is_empty() {
                            return;
                        }
                        if !matches!(status, StreamResult::Complete(_)) {
                            break;
                        }
                    }
                    drop(writer);
                    let _ = last.write(Ok(Some(status(b"0", b"")))).await;
                });
                respond("application/grpc", Some(body), trailers)
            }
            "/lab.Echo/Fail" => {
                let (last, trailers) = wit_future::new(|| Ok(None));
                spawn_local(async move {
                    let _ = last.write(Ok(Some(status(b"5", b"no such thing")))).await;
                });
                respond("application/grpc", None, trailers)
            }
            _ => respond("text/plain", None, wit_future::new(|| Ok(None)).1),
        }
    }
}

fn respond(
    kind: &str,
    body: Option<StreamReader<u8>>,
    trailers: Trailers,
) -> Result<Response, ErrorCode> {
    let fields = Fields::new();
    fields
        .append("content-type", kind.as_bytes())
        .expect("a good header");
    Ok(Response::new(fields, body, trailers).0)
}

fn status(code: &[u8], message: &[u8]) -> Fields {
    let fields = Fields::new();
    fields.append("grpc-status", code).expect("a good trailer");
    if !message.is_empty() {
        fields
            .append("grpc-message", message)
            .expect("a good trailer");
    }
    fields
}
