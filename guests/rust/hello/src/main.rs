//! A command that shows what a guest sees: built for WASI 0.1 (`hello-p1`) and 0.2 (`hello-p2`).
//!
//!     hello [ARG...]         greets, prints arguments and environment
//!     hello cat              copies standard input to standard output
//!     hello exit N           ends with exit code N
//!     hello sleep MS         sleeps
//!     hello write PATH TEXT  writes a file
//!     hello read PATH        prints a file
//!     hello ls PATH          lists a folder, sorted, folders with a slash
use std::io::{self, Write};
use std::time::Duration;
use std::{env, fs, process, thread};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(error) = run(&words) {
        eprintln!("hello: {error}");
        process::exit(1);
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    match words {
        ["cat"] => {
            io::copy(&mut io::stdin().lock(), &mut io::stdout().lock())?;
        }
        ["exit", code] => process::exit(code.parse().map_err(io::Error::other)?),
        ["sleep", ms] => {
            thread::sleep(Duration::from_millis(ms.parse().map_err(io::Error::other)?))
        }
        ["write", path, text] => fs::write(path, text)?,
        ["read", path] => io::stdout().write_all(&fs::read(path)?)?,
        ["ls", path] => {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
                names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
            }
            names.sort();
            for name in names {
                println!("{name}");
            }
        }
        _ => {
            println!("hello");
            for arg in words {
                println!("arg: {arg}");
            }
            let mut vars: Vec<_> = env::vars().collect();
            vars.sort();
            for (name, value) in vars {
                println!("env: {name}={value}");
            }
        }
    }
    Ok(())
}
