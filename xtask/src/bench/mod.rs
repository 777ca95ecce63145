//! stub
#[derive(clap::Parser)]
pub struct Args {}
pub fn run(_: Args) -> anyhow::Result<std::process::ExitCode> {
    Ok(std::process::ExitCode::SUCCESS)
}
pub mod bare_hyper {
    #[derive(clap::Parser)]
    pub struct Args {}
    pub fn run(_: Args) -> anyhow::Result<std::process::ExitCode> {
        Ok(std::process::ExitCode::SUCCESS)
    }
}
