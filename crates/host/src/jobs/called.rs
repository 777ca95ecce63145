//! One call of what an app does by itself, and what its end means.

use super::target::{CalledTarget, Target};
use crate::call_log::CallRecord;
use crate::event::Failure;
use crate::functions::{self, Arguments, Call, Program, Refused, Returned};
use holm_runtime::Error;

/// Calls what a job calls, once. A payload stands in the place of the arguments.
///
/// # Errors
/// Why there is no result, or what the function's `err` was.
pub(super) async fn called(
    target: &Target,
    payload: Option<&serde_json::Value>,
    record: CallRecord,
) -> Result<Returned, Box<Error>> {
    let component = &target.component;
    let turn = component.queue.enter().await?;
    let loaded = match component.called() {
        Some(loaded) => loaded,
        None => component.loaded().await?,
    };
    let (function, usual) = match target.called(&loaded)? {
        CalledTarget::Program => {
            let words = match (payload.or(target.arguments.as_ref()), &target.words) {
                (Some(given), _) => words_of(given)?,
                (None, words) => words.clone().unwrap_or_default(),
            };
            let program = Program {
                component: component.clone(),
                loaded,
                turn,
                account: record,
            };
            let ran = functions::run_program(program, &words).await;
            return ran.map_err(why);
        }
        CalledTarget::Function(function) => (function, serde_json::json!([])),
        CalledTarget::SpinCron(function) => {
            let now = chrono::Utc::now().timestamp();
            (function, serde_json::json!([{ "timestamp": now }]))
        }
    };
    let call = Call {
        component: component.clone(),
        loaded,
        turn,
        function: function.clone(),
        account: record,
    };
    let arguments = payload.or(target.arguments.as_ref()).cloned();
    let arguments = Arguments::Read(arguments.unwrap_or(usual));
    let result = functions::call(call, arguments).await;
    failed(result, &component.label, &function)
}

/// What came of a call: an `err` is a failure too.
///
/// # Errors
/// Why there is no result, or what the function's `err` was.
pub(super) fn failed(
    result: Result<Returned, Refused>,
    name: &str,
    function: &functions::Function,
) -> Result<Returned, Box<Error>> {
    match result {
        // What a program says by its `err` is that it failed, as with exit code 1.
        Ok(returned) if returned.is_err && function.is_program() => {
            let error = Error::guest(format!("{name} exited with code 1"));
            Err(Box::new(error.exited(1)))
        }
        Ok(returned) if returned.is_err => {
            let said = returned.json.as_deref().unwrap_or("nothing more");
            let error = Error::guest(format!("{name} returned an error: {said}"));
            Err(Box::new(error))
        }
        Ok(returned) => Ok(returned),
        Err(Refused::Arguments(mismatch)) => {
            Err(Box::new(mismatch.of_arguments(&function.signature)))
        }
        Err(Refused::Failure(failure)) => Err(why(failure)),
    }
}

/// Why there is no result.
fn why(failure: Failure) -> Box<Error> {
    match failure {
        Failure::Busy(error) | Failure::NoAnswer(error) | Failure::Error(error) => error,
        Failure::Full(full) => Box::new(Error::yours(format!(
            "all {} instances of the server are at work",
            full.instances
        ))),
    }
}

/// The arguments of a program, as a payload has them.
fn words_of(payload: &serde_json::Value) -> Result<Vec<String>, Box<Error>> {
    serde_json::from_value(payload.clone()).map_err(|_| {
        let error = Error::yours("the arguments of a program are an array of strings");
        Box::new(error.help("--payload '[\"--force\", \"file\"]'"))
    })
}
