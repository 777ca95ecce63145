//! `fermyon:spin/llm` for the guest.

use super::Instance;
use crate::State;
use holm_runtime::cross;
use wasmtime::Result;
use wasmtime::component::Linker;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "package holm:llm; world imports { import fermyon:spin/llm@2.0.0; }",
        path: "../../wit/fermyon-spin@2.0.0",
        imports: { default: async | trappable },
    });
}
pub use bindings::fermyon::spin::llm;
use llm::{EmbeddingsResult, Error, InferencingParams, InferencingResult};

impl llm::Host for Instance {
    async fn infer(
        &mut self,
        model: String,
        _prompt: String,
        _params: Option<InferencingParams>,
    ) -> Result<Result<InferencingResult, Error>> {
        Ok(Err(self.refuse(&model)))
    }

    async fn generate_embeddings(
        &mut self,
        model: String,
        _text: Vec<String>,
    ) -> Result<Result<EmbeddingsResult, Error>> {
        Ok(Err(self.refuse(&model)))
    }
}

fn part(state: &mut State) -> &mut Instance {
    &mut state.parts.llm
}

/// `fermyon:spin@2.0.0`.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    cross!(linker, "fermyon:spin/llm", "@2.0.0", (), part, {
        async value "infer" = llm::Host::infer { a, b, c };
        async value "generate-embeddings" = llm::Host::generate_embeddings { a, b };
    });
    Ok(())
}
