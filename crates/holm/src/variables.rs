//! Variables of an app from flags.

use holm_manifest::Given;

/// What the variables of an app are.
#[derive(clap::Args, Clone, Default)]
pub struct VariableFlags {
    /// The value of a variable of the app, before its environment (HOLM_VARIABLE_NAME) and its .env
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = pair)]
    pub variables: Vec<(String, String)>,
}

impl VariableFlags {
    /// What the flags and this process's environment say.
    pub fn given(&self) -> Given {
        Given::of_process(self.variables.iter().cloned())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a variable is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
