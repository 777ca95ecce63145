//! The smallest WASI 0.3 HTTP component: answers `hello`.
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Hello;
wasip3::http::service::export!(Hello);

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(_request: Request) -> Result<Response, ErrorCode> {
        let (mut body, contents) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(Fields::new(), Some(contents), no_trailers);
        drop(trailers); // the default: none
        spawn_local(async move {
            body.write_all(b"hello\n".to_vec()).await;
        });
        Ok(response)
    }
}
