//! Many calls: one per line, one result per line, errors as lines too.

use super::handles::Named;
use super::target::Target;
use super::{Args, FAILED, Form, INPUT_BYTES_MAX, code, kind};
use holm_capabilities::State;
use holm_runtime::call::Outcome;
use holm_runtime::values::json;
use holm_runtime::values::{Session, Signature, Surface, Value, callable, wave};
use holm_runtime::{Error, Result};
use serde_json::json;
use std::io::{BufRead as _, Read as _, Write as _};

/// Reads calls to the end of standard input. The code says whether any failed.
pub async fn run(args: &Args, target: &Target) -> Result<u8> {
    let mut session = match args.session {
        true => Some(target.prepared.session(&target.make)?),
        false => None,
    };
    let given = match &args.function {
        Some(name) => Some(target.signatures.find(name)?),
        None => None,
    };
    let mut handles = Named::default();
    let mut ended = 0;
    let mut input = std::io::stdin().lock();
    loop {
        let line = match line(&mut input) {
            Ok(None) => break,
            Ok(Some(line)) => line,
            Err(error) => {
                print(args, &Err(error))?;
                return Ok(FAILED);
            }
        };
        let Ok(line) = std::str::from_utf8(&line) else {
            ended = FAILED;
            print(args, &Err(Error::yours("the line is not UTF-8")))?;
            continue;
        };
        if line.trim().is_empty() {
            continue;
        }
        let result = one(args, target, given, line.trim(), &mut session, &mut handles).await;
        if !matches!(result, Ok((_, 0))) {
            ended = FAILED;
        }
        print(args, &result.map(|(text, _)| text))?;
    }
    Ok(ended)
}

/// One call; gives its result as text, and the code that it would end with alone.
async fn one(
    args: &Args,
    target: &Target,
    given: Option<&Signature>,
    line: &str,
    session: &mut Option<Session<State>>,
    handles: &mut Named,
) -> Result<(String, u8)> {
    if let (Some(session), Some(name)) = (session.as_mut(), line.strip_prefix("drop ")) {
        let Some(resource) = handles.remove(name.trim()) else {
            return Err(unknown(name.trim(), handles));
        };
        session.drop_resource(resource).await?;
        return Ok((String::new(), 0));
    }
    let (signature, arguments) = match given {
        Some(signature) => (signature, of_one_function(signature, line, handles)?),
        None => any_function(target, line, handles)?,
    };
    let surface = if session.is_some() {
        Surface::SESSION
    } else {
        Surface::ONE_CALL
    };
    callable::ensure(signature, surface)?;
    let given_away = handles.give_away(signature, &arguments);
    given_away.map_err(|mismatch| mismatch.of_arguments(signature))?;
    let outcome: Outcome<Option<Value>> = match session {
        Some(session) => session.call(signature, arguments).await,
        None => {
            target
                .prepared
                .call(signature, arguments, target.make.clone())
                .await
        }
    };
    let Some(value) = outcome.result? else {
        return Ok((String::new(), 0));
    };
    Ok((args.show(signature, &value, handles)?, code(&value)))
}

fn unknown(name: &str, handles: &Named) -> Error {
    let error = Error::yours(format!("there is no resource `{name}`"));
    match holm_manifest::nearest(name, handles.names().into_iter()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error,
    }
}

/// A line of arguments alone: `[1, 2]` or `{"a": 1, "b": 2}` in JSON, `(1, 2)` in WAVE.
fn of_one_function(signature: &Signature, line: &str, handles: &mut Named) -> Result<Vec<Value>> {
    let fits = match line.starts_with('(') {
        true => {
            let call = format!("call{line}");
            wave::Call::parse(&call).and_then(|call| call.arguments(signature, handles))
        }
        false => json::arguments_from_str(signature, line, handles),
    };
    fits.map_err(|mismatch| mismatch.of_arguments(signature))
}

/// A line with its function: `add(1, 2)`, or `{"function": "add", "arguments": [1, 2]}`.
fn any_function<'a>(
    target: &'a Target,
    line: &str,
    handles: &mut Named,
) -> Result<(&'a Signature, Vec<Value>)> {
    if !line.starts_with('{') {
        let call = wave::Call::parse(line).map_err(|mismatch| {
            Error::yours("it is not a call")
                .caused_by(mismatch.to_string())
                .help("write name(arguments), or {\"function\": name, \"arguments\": […]} in JSON")
        })?;
        let signature = target.signatures.find(call.name())?;
        let fits = call.arguments(signature, handles);
        return Ok((
            signature,
            fits.map_err(|mismatch| mismatch.of_arguments(signature))?,
        ));
    }
    let wrong = |cause: String| Error::yours("it is not a call").caused_by(cause);
    json::no_key_twice(line).map_err(|mismatch| wrong(mismatch.to_string()))?;
    let mut call: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
    let Some(serde_json::Value::String(name)) = call.remove("function") else {
        return Err(wrong("`function` is missing, the name of one".into()));
    };
    let arguments = call.remove("arguments").unwrap_or_default();
    if let Some(key) = call.keys().next() {
        return Err(wrong(format!(
            "`{key}` is neither `function` nor `arguments`"
        )));
    }
    let signature = target.signatures.find(&name)?;
    let fits = json::arguments_from_value(signature, &arguments, handles);
    Ok((
        signature,
        fits.map_err(|mismatch| mismatch.of_arguments(signature))?,
    ))
}

/// The next line, nothing at the end.
fn line(input: &mut impl std::io::BufRead) -> Result<Option<Vec<u8>>> {
    let wrong = |e: std::io::Error| Error::yours("cannot read stdin").caused_by(e.to_string());
    let mut line = Vec::new();
    input
        .by_ref()
        .take(INPUT_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .map_err(wrong)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 == INPUT_BYTES_MAX {
        return Err(Error::yours(format!(
            "a line has more than {} MiB",
            INPUT_BYTES_MAX >> 20
        )));
    }
    Ok(Some(line))
}

/// One line for one call: its result, or what was wrong.
fn print(args: &Args, result: &Result<String>) -> Result<()> {
    let text = match (args.form(), result) {
        (Form::Wave, Ok(text)) => text.clone(),
        (Form::Wave, Err(error)) => format!("error: {}", one_line(&error.to_string())),
        (Form::Json, Ok(text)) if text.is_empty() => json!({ "result": null }).to_string(),
        (Form::Json, Ok(text)) => format!("{{\"result\":{text}}}"),
        (Form::Json, Err(error)) => json!({
            "error": { "kind": kind(error.kind), "message": error.to_string(), "help": error.help }
        })
        .to_string(),
    };
    let mut out = std::io::stdout().lock();
    // Each line is out before the next call begins: whoever reads along can go on with it.
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|e| Error::yours("cannot write to stdout").caused_by(e.to_string()))
}

fn one_line(text: &str) -> String {
    crate::report::printable(text).replace('\n', " ")
}
