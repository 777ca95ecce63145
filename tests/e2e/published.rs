//! Programs that nobody here wrote, as they were published: the lines of guests/README.md.

use crate::support::*;

fn folder(name: &str, guest: &str) -> [String; 2] {
    [
        "--dir".into(),
        format!("{}::{guest}", published_dir().join(name).display()),
    ]
}

#[test]
fn ruby() {
    run()
        .arg(published("ruby"))
        .args(["-e", "puts (1..10).sum"])
        .run()
        .prints("55\n");
    run()
        .arg(published("ruby"))
        .args(["-e", r#"require "json"; puts JSON.generate({sum: 55})"#])
        .run()
        .prints("{\"sum\":55}\n");
    let out = run().arg(published("ruby")).args(["-e", "exit 7"]).run();
    out.is(7);
    let out = run()
        .arg(published("ruby"))
        .args(["-e", "raise 'no'"])
        .run();
    out.is(1).says("no (RuntimeError)");
}

#[test]
fn python() {
    let python = |code: &str| {
        run()
            .args(folder("python-usr", "/usr"))
            .arg(published("python"))
            .args(["-c", code])
    };
    python("import json; print(json.dumps(sum(range(11))))")
        .run()
        .prints("55\n");
    python("import sys; print(sys.stdin.read().upper())")
        .stdin("in")
        .run()
        .prints("IN\n");
    python("import os; print(os.path.exists('/usr'), os.path.exists('/etc'))")
        .run()
        .prints("True False\n");
    python("open('/etc/passwd')")
        .run()
        .is(1)
        .says("FileNotFoundError");
}

#[test]
fn php() {
    let scratch = Scratch::new();
    scratch.write("x.php", "<?php echo array_sum(range(1,10)), \"\\n\";");
    run()
        .args(["--dir", ".::/data"])
        .arg(published("php"))
        .args(["-q", "/data/x.php"])
        .dir(scratch.path())
        .run()
        .prints("55\n");
}

#[test]
fn esbuild() {
    run()
        .arg(published("esbuild"))
        .args(["--loader=ts", "--minify"])
        .stdin("let x: number = 1+2; console.log(x)")
        .run()
        .prints("let x=3;console.log(x);\n");
    let scratch = Scratch::new();
    scratch.write(
        "app.ts",
        "import { two } from './two';\nconsole.log(two + 1);\n",
    );
    scratch.write("two.ts", "export const two: number = 2;\n");
    let out = run()
        .args(["--dir", ".::/"])
        .arg(published("esbuild"))
        .args(["--bundle", "--minify", "/app.ts"])
        .dir(scratch.path())
        .run();
    out.is(0);
    assert_eq!(out.stdout, "(()=>{console.log(3);})();\n");
}

/// 69 MB of C++: compiling it takes half a minute of processor time the first time.
#[test]
fn yosys() {
    let version = run()
        .args(folder("yosys-share", "/share"))
        .arg(published("yosys"))
        .arg("-V")
        .run();
    version.is(0);
    assert!(
        version
            .stdout
            .starts_with("Yosys 0.70 (git sha1 28ba3cb92,"),
        "{}",
        version.stdout
    );
    let scratch = Scratch::new();
    scratch.write(
        "add.v",
        "module add(input [3:0] a, b, output [4:0] s); assign s = a + b; endmodule\n",
    );
    run()
        .args(folder("yosys-share", "/share"))
        .args(["--dir", ".::/data"])
        .arg(published("yosys"))
        .args([
            "-Q",
            "-T",
            "-q",
            "-p",
            "read_verilog /data/add.v; prep -top add; tee -o /data/stat.txt stat",
        ])
        .dir(scratch.path())
        .run()
        .prints("");
    let stat = scratch.read("stat.txt");
    assert!(
        stat.lines()
            .any(|line| line.split_whitespace().eq(["1", "$add"])),
        "{stat}"
    );
}
