//! The guestbook in a real browser: Chromium, driven over WebDriver.

use crate::app::*;
use crate::support::*;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::time::Duration;

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with an empty profile.
struct Browser {
    driver: Child,
    addr: SocketAddr,
    session: String,
    profile: Scratch,
}

impl Browser {
    fn open() -> Browser {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let profile = Scratch::new();
        let driver = std::process::Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| {
                panic!(
                    "chromedriver does not start ({e}): apt-get install chromium chromium-driver"
                )
            });
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Browser {
            driver,
            addr,
            session: String::new(),
            profile,
        };
        until("chromedriver listens", || {
            std::net::TcpStream::connect(addr).ok()
        });
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let profile = format!(
            "--user-data-dir={}",
            browser.profile.join("chromium").display()
        );
        let args: Vec<&str> = flags.into_iter().chain([profile.as_str()]).collect();
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": args}}}});
        let made = browser.call("POST", "/session", wanted);
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// One command of WebDriver, and its value.
    #[track_caller]
    fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, value) = self.ask(method, path, &body);
        assert_eq!(status, 200, "{method} {path} {body}: {value}");
        value
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (addr, body) = (
            self.addr,
            if method == "GET" {
                String::new()
            } else {
                body.to_string()
            },
        );
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(crate::client::full(body))
            .unwrap();
        let reply = crate::client::block(async move {
            let mut connection = crate::client::Connection::http1(addr).await;
            crate::client::whole(connection.send(request).await.unwrap())
                .await
                .unwrap()
        });
        (reply.status, reply.json()["value"].clone())
    }

    fn path(&self, rest: &str) -> String {
        format!("/session/{}{rest}", self.session)
    }

    fn go(&self, url: &str) {
        self.call("POST", &self.path("/url"), json!({"url": url}));
    }

    fn reload(&self) {
        self.call("POST", &self.path("/refresh"), json!({}));
    }

    /// Waits until the page has such an element.
    #[track_caller]
    fn element(&self, css: &str) -> String {
        until(css, || {
            let wanted = json!({"using": "css selector", "value": css});
            let (status, value) = self.ask("POST", &self.path("/element"), &wanted);
            (status == 200).then(|| value[ELEMENT].as_str().unwrap().to_owned())
        })
    }

    #[track_caller]
    fn write(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.call(
            "POST",
            &self.path(&format!("/element/{element}/value")),
            json!({"text": text}),
        );
    }

    #[track_caller]
    fn click(&self, css: &str) {
        let element = self.element(css);
        self.call(
            "POST",
            &self.path(&format!("/element/{element}/click")),
            json!({}),
        );
    }

    /// What a script in the page returns.
    #[track_caller]
    fn script(&self, text: &str) -> Value {
        self.call(
            "POST",
            &self.path("/execute/sync"),
            json!({"script": text, "args": []}),
        )
    }

    /// Waits until a script in the page returns this.
    #[track_caller]
    fn shows(&self, script: &str, wanted: Value) {
        let began = std::time::Instant::now();
        loop {
            let got = self.script(script);
            if got == wanted {
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "{script} is {got}, not {wanted}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &self.path(""), &json!({}));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

const MESSAGES: &str =
    "return [...document.querySelectorAll('#entries li p')].map(p => p.textContent)";

/// The app of the example, with a state of its own.
fn served() -> (Scratch, Server) {
    let scratch = Scratch::new();
    let state = scratch.join("state");
    let server = Server::up(
        ["examples/guestbook", "--state", state.to_str().unwrap()],
        repo(),
    );
    (scratch, server)
}

#[test]
fn a_visitor_signs_the_guestbook() {
    let _alone = alone();
    let (_state, server) = served();
    let page = format!("http://{}/", server.addr());
    let browser = Browser::open();
    browser.go(&page);
    browser.shows("return document.title", "Guestbook".into());
    browser.shows(
        "return document.querySelector('#empty').hidden",
        false.into(),
    );
    browser.write("#name", "Ada");
    browser.write("#message", "Hello from a browser: äöü €");
    browser.click("#sign button");
    browser.shows(MESSAGES, json!(["Hello from a browser: äöü €"]));
    browser.shows(
        "return document.querySelector('#status').textContent",
        "Thank you!".into(),
    );
    browser.shows(
        "return document.querySelector('#entries strong').textContent",
        "Ada".into(),
    );
    browser.shows(
        "return document.querySelector('#empty').hidden",
        true.into(),
    );

    // HTML of visitors is text.
    let html = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script><b>bold</b>";
    browser.write("#message", html);
    browser.click("#sign button");
    browser.shows(MESSAGES, json!([html, "Hello from a browser: äöü €"]));
    browser.shows(
        "return document.querySelectorAll('#entries img, #entries script, #entries b').length",
        0.into(),
    );
    browser.shows("return document.title", "Guestbook".into());

    browser.reload();
    browser.shows(MESSAGES, json!([html, "Hello from a browser: äöü €"]));
    browser.shows("return document.title", "Guestbook".into());
    // The style came too, with a type that the browser takes.
    browser.shows(
        "return document.styleSheets[0].cssRules.length > 5",
        true.into(),
    );
    let failed = server
        .log("request")
        .into_iter()
        .filter(|l| l["status"].as_u64() >= Some(400))
        .count();
    assert_eq!(failed, 0, "{:?}", server.stderr());
}

#[test]
fn a_form_without_a_script() {
    let _alone = alone();
    let (_state, server) = served();
    let browser = Browser::open();
    browser.go(&format!("http://{}/", server.addr()));
    browser.element("#sign");
    browser.script(
        "const old = document.querySelector('#sign'); old.replaceWith(old.cloneNode(true));",
    );
    browser.write("#name", "Bob");
    browser.write("#message", "Without a script");
    browser.click("#sign button");
    // The answer sends the browser back to the page.
    browser.shows(MESSAGES, json!(["Without a script"]));
    assert_eq!(server.entry("/api/entries")["component"], "api");
    assert!(
        server
            .log("request")
            .iter()
            .any(|line| line["status"] == 303)
    );
}

#[test]
fn functions_in_a_page() {
    let _alone = alone();
    let manifest = "name = \"lab\"\n\n[component.lab]\nsource = \"lab.wasm\"\n\n\
                    [[call]]\nroute = \"/api/...\"\ncomponent = \"lab\"\nfunctions = [\"*\"]\n";
    let server = App::new(manifest).guest("lab.wasm", "call-lab").up();
    let browser = Browser::open();
    browser.go(&format!("http://{}/api/", server.addr()));
    browser.shows("return document.title", "lab".into());
    let id = "function-example-lab-tools-1-0-0-price";
    browser.click(&format!("#{id} summary"));
    // The form begins with arguments that have the right shape.
    let body = "body-example-lab-tools-1-0-0-price";
    browser.shows(
        &format!("return JSON.parse(document.getElementById('{body}').value)"),
        json!({"order": {"items": []}}),
    );
    browser.click(&format!("#{id} button"));
    let status = format!("return document.querySelector('#{id} [role=status]').dataset.is");
    let answer = |member: &str| {
        format!(
            "return JSON.parse(document.querySelector('#{id} form > pre:last-of-type').textContent){member}"
        )
    };
    browser.shows(&status, "bad".into());
    browser.shows(&answer(".error"), "empty".into());
    browser.script(&format!(
        "document.getElementById('{body}').value = '{{\"order\": {{\"items\": [{{\"name\": \"tea\", \"count\": 2}}]}}}}'"
    ));
    browser.click(&format!("#{id} button"));
    browser.shows(&status, "good".into());
    browser.shows(&answer(""), 500.into());
    // Every field has a label, and what cannot be called is listed.
    browser.shows(
        "return [...document.querySelectorAll('textarea')].every(t => t.labels.length == 1)",
        true.into(),
    );
    browser.shows(
        "return document.querySelectorAll('#functions ul li').length",
        2.into(),
    );
    // The policy let its own style and script through.
    browser.shows(
        "return document.styleSheets[0].cssRules.length > 5",
        true.into(),
    );
}
