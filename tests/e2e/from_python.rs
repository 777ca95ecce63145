//! `examples/from-python`: two crates as components, as calls over HTTP and as an agent's tools. What
//! Python makes of them is tested by `embed/python/tests/test_example.py`.

use crate::app::*;
use crate::mcp::{agent, call};
use crate::support::*;
use serde_json::{Value, json};

fn app() -> App {
    let folder = repo().join("examples/from-python");
    let manifest = std::fs::read_to_string(folder.join("holm.toml")).unwrap();
    let app = App::new(&manifest)
        .guest("markup.wasm", "markup")
        .guest("images.wasm", "images");
    // Their docs.
    for part in ["markup", "images"] {
        let wit = app.dir().path().join(part);
        std::fs::create_dir(&wit).unwrap();
        std::os::unix::fs::symlink(folder.join(part).join("wit"), wit.join("wit")).unwrap();
    }
    app
}

/// The example's picture.
fn picture() -> Vec<u8> {
    std::fs::read(repo().join("examples/from-python/picture.png")).unwrap()
}

#[test]
fn two_crates_over_http() {
    let app = app();
    app.check().is(0);
    let server = app.up();
    let post = |path: &str, body: Value| -> Value {
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes());
        let reply = server.request(request.unwrap());
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    };
    let html = post(
        "/example:markup/convert/html",
        json!({ "text": "~~a~~ *b*", "extensions": ["strikethrough"] }),
    );
    assert_eq!(html, "<p><del>a</del> <em>b</em></p>\n");
    let small = post(
        "/images/example:images/resize/thumbnail",
        json!({ "picture": picture(), "width": 80, "height": 80, "store-as": "jpeg" }),
    );
    let about = post(
        "/images/example:images/resize/inspect",
        json!({ "picture": small }),
    );
    assert_eq!(
        about,
        json!({ "format": "jpeg", "width": 80, "height": 50 })
    );
}

#[test]
fn two_crates_for_an_agent() {
    let app = app();
    let folder = app.dir().path().display().to_string();
    let steps = json!([
        { "do": "list" },
        call("markup_convert_headings", json!({ "text": "# A\n\n## B `c`" })),
        call("images_resize_inspect", json!({ "picture": picture() })),
        call("images_resize_inspect", json!({ "picture": "bmVpdGhlcg==" })),
    ]);
    let (said, _) = agent("auto", &[&folder], steps);
    let tools = said[0]["tools"].as_array().unwrap();
    let html = tools.iter().find(|t| t["name"] == "markup_convert_html");
    let html = html.unwrap_or_else(|| panic!("{tools:?}"));
    assert!(
        html["description"]
            .as_str()
            .is_some_and(|d| d.contains("Turns Markdown into HTML.")),
        "{html}"
    );
    assert_eq!(
        said[1]["structured"],
        json!({ "result": [{ "level": 1, "title": "A" }, { "level": 2, "title": "B c" }] })
    );
    assert_eq!(
        said[2]["structured"],
        json!({ "result": { "format": "png", "width": 320, "height": 200 } })
    );
    assert_eq!(said[3]["error"], true, "{}", said[3]);
    let text = said[3]["text"].as_str().unwrap();
    assert!(text.contains("neither a PNG nor a JPEG"), "{text}");
}
