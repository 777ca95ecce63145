//! What a capability is, and the macro that makes one list of them into everything that needs it.

use crate::State;
use holm_manifest::{Fragment, Problem, Value};
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime_wasi::WasiCtxBuilder;

/// Which generation of component interfaces a linker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Components of 0.2, on the engine without concurrency support.
    P2,
    /// Components that import or export anything of 0.3; they may use 0.2 as well.
    P3,
}

/// A WIT interface that a capability provides.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// `wasi:keyvalue/store`.
    pub name: &'static str,
    /// The versions provided, oldest first: `["0.2.0-draft", "0.2.0-draft2"]`. Within one minor
    /// version of a released interface the newest stands for all: `0.2.12` serves `0.2.0` too. An
    /// empty one is the interface without a version.
    pub versions: &'static [&'static str],
}

impl Interface {
    /// Whether guests import it because their SDK imports all that it knows, as Spin's for Python
    /// and JavaScript do.
    pub fn is_of_sdk(&self) -> bool {
        self.name.starts_with("fermyon:spin/") || self.name.starts_with("spin:")
    }
}

/// What a capability is, for `holm inspect`, errors and docs.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The folder's name.
    pub name: &'static str,
    /// One line.
    pub doc: &'static str,
    /// The key under `[component.NAME.grants]`; `None`: always there, and holds nothing to grant.
    pub grant: Option<&'static str>,
    /// A grant that would do for a component that imports it, ready to paste: `keyvalue = ["default"]`.
    pub example: Option<&'static str>,
    /// Importing it without the grant is refused when the component is loaded. Interfaces that
    /// every toolchain pulls in are always linked instead, and hold nothing until granted.
    pub refuse_ungranted: bool,
    /// The interfaces.
    pub interfaces: &'static [Interface],
}

/// Where a component lives, for grants that name files and stores.
#[derive(Clone, Debug)]
pub struct Place {
    /// Relative paths in grants start here: the manifest's folder, or the current one.
    pub base: PathBuf,
    /// Where the app's data lives: `.holm/` beside the manifest, or `--state DIR`.
    pub state: PathBuf,
    /// The stores that the manifest declares, by name.
    pub stores: Arc<[holm_manifest::Store]>,
    /// Open stores, shared by all components of the app.
    pub shared: Arc<Shared>,
}

/// Stores that all components of an app share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Key-value stores.
    pub keyvalue: crate::keyvalue::Stores,
    /// Containers of objects.
    pub blobs: crate::blobs::Stores,
}

/// One kind of outside. The implementing type is what one component was granted of it; it is made
/// once, when the component is loaded, and shared by all of its instances.
pub trait Capability: Sized + Send + Sync + 'static {
    /// What it is.
    const ABOUT: About;

    /// What an instance holds of it, besides its part of the `WasiCtx`.
    type Instance: Send + 'static;

    /// The grant's place in the manifest language; `None` where there is nothing to grant.
    fn fragment() -> Option<Fragment>;

    /// What the manifest grants; `None` means it says nothing, which grants nothing.
    fn granted(value: Option<&Value>, place: &Place) -> Result<Self, Problem>;

    /// The part of a fresh instance. `core` tells where to note denials, uses and bytes.
    fn instance(
        &self,
        core: &holm_runtime::Core,
        wasi: &mut WasiCtxBuilder,
    ) -> wasmtime::Result<Self::Instance>;

    /// Links its WIT interfaces through the seam.
    fn link_component(
        linker: &mut wasmtime::component::Linker<State>,
        era: Era,
    ) -> wasmtime::Result<()>;
}

/// Makes the list of capabilities into the set of grants, the parts of an instance, the linker,
/// the vocabulary and the descriptions.
macro_rules! capabilities {
    ($($(#[$cfg:meta])* $field:ident: $ty:ty,)*) => {
        /// Everything one component was granted, resolved.
        pub struct Grants {
            $(#[doc = concat!("The `", stringify!($field), "` capability.")]
              $(#[$cfg])* pub $field: $ty,)*
        }

        /// What an instance holds of each capability.
        pub struct Parts {
            $(#[doc = concat!("The `", stringify!($field), "` capability.")]
              $(#[$cfg])* pub $field: <$ty as Capability>::Instance,)*
        }

        impl Grants {
            /// Resolves the grants of a component, or says all that is wrong with them.
            pub fn resolve(grants: &[holm_manifest::Grant], place: &Place) -> Result<Self, Vec<holm_manifest::Problem>> {
                let mut problems = Vec::new();
                $($(#[$cfg])* let $field = {
                    let value = <$ty as Capability>::ABOUT.grant
                        .and_then(|name| grants.iter().find(|g| g.name == name))
                        .map(|g| &g.value);
                    match <$ty as Capability>::granted(value, place) {
                        Ok(granted) => Some(granted),
                        Err(problem) => { problems.push(problem); None }
                    }
                };)*
                $($(#[$cfg])* let Some($field) = $field else { return Err(problems) };)*
                Ok(Grants { $($(#[$cfg])* $field,)* })
            }

            pub(crate) fn parts(&self, core: &holm_runtime::Core, wasi: &mut wasmtime_wasi::WasiCtxBuilder) -> wasmtime::Result<Parts> {
                Ok(Parts { $($(#[$cfg])* $field: self.$field.instance(core, wasi)?,)* })
            }
        }

        /// Links every capability's WIT interfaces.
        pub fn link_component(linker: &mut wasmtime::component::Linker<State>, era: Era) -> wasmtime::Result<()> {
            $($(#[$cfg])* <$ty as Capability>::link_component(linker, era)?;)*
            Ok(())
        }

        /// All capabilities, described.
        pub const ABOUT: &[About] = &[$($(#[$cfg])* <$ty as Capability>::ABOUT,)*];

        /// The grants' part of the manifest language.
        pub fn fragments() -> Vec<holm_manifest::Fragment> {
            [$($(#[$cfg])* <$ty as Capability>::fragment(),)*].into_iter().flatten().collect()
        }
    };
}
pub(crate) use capabilities;
