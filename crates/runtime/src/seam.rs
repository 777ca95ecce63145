//! The seam: the one known way in which a guest's call leaves the sandbox.
//!
//! Every host function, ours or wasmtime-wasi's, is linked through [`cross!`](crate::cross): it is
//! counted under its own name, timed when somebody asked for times, and may leave a note of which
//! grant it used. Receipts, traces and the "which grants did this use" report read it here and
//! nowhere else. When nobody listens a crossing costs one search in a short list.

mod uses;

pub use uses::{Use, Uses};

use std::sync::RwLock;
use std::time::{Duration, Instant};

/// A host function: the WIT interface (without version) or the 0.1 module, and its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFn {
    /// `wasi:filesystem/types`, or `wasi_snapshot_preview1`.
    pub interface: &'static str,
    /// `[method]descriptor.read`, or `fd_read`.
    pub name: &'static str,
}

/// The number under which a [`HostFn`] is known to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FnId(u16);

static FUNCTIONS: RwLock<Vec<HostFn>> = RwLock::new(Vec::new());

/// Functions, ours and linked ones, that have a number of their own.
const LINKED_MAX: usize = 16 << 10;

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

impl FnId {
    /// The number of a host function; called while linking, never on the guest's path.
    pub fn of(interface: &'static str, name: &'static str) -> FnId {
        let wanted = HostFn { interface, name };
        let mut all = FUNCTIONS.write().unwrap_or_else(|e| e.into_inner());
        let index = all.iter().position(|f| *f == wanted).unwrap_or_else(|| {
            all.push(wanted);
            all.len() - 1
        });
        FnId(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// The number of a function of a linked component. Names are kept for the life of the process, so
    /// that there is an end to them: what is linked after thousands of others shares a number.
    pub(crate) fn linked(interface: &str, name: &str) -> FnId {
        let interface = interface.split('@').next().unwrap_or(interface);
        let known = {
            let all = FUNCTIONS.read().unwrap_or_else(|e| e.into_inner());
            let same = |f: &HostFn| f.interface == interface && f.name == name;
            (all.iter().position(same), all.len())
        };
        match known {
            (Some(index), _) => FnId(u16::try_from(index).unwrap_or(u16::MAX)),
            (None, LINKED_MAX..) => FnId::of("linked", "others"),
            (None, _) => FnId::of(leak(interface), leak(name)),
        }
    }

    /// What the number stands for.
    pub fn function(self) -> HostFn {
        let all = FUNCTIONS.read().unwrap_or_else(|e| e.into_inner());
        all.get(usize::from(self.0)).copied().unwrap_or(HostFn {
            interface: "?",
            name: "?",
        })
    }
}

/// How often one host function was called by one instance, and how long that took.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// The function.
    pub id: FnId,
    /// Calls so far.
    pub calls: u64,
    /// Wall time inside; zero unless times were asked for.
    pub time: Duration,
}

/// One crossing under way; hand it back to [`Seam::exit`].
#[must_use]
#[derive(Clone, Copy)]
pub struct Crossing {
    id: FnId,
    since: Option<Instant>,
}

/// An instance's record of its crossings.
#[derive(Default)]
pub struct Seam {
    timed: bool,
    tallies: Vec<Tally>,
    uses: Option<Uses>,
}

impl Seam {
    /// A record that also takes times when `timed`, and notes grants when `uses` is given.
    pub fn new(timed: bool, uses: Option<Uses>) -> Self {
        Seam {
            timed,
            tallies: Vec::new(),
            uses,
        }
    }

    /// The guest has left the sandbox towards `id`.
    #[inline]
    pub fn enter(&mut self, id: FnId) -> Crossing {
        // A guest calls few distinct functions: a linear search beats any map here.
        match self.tallies.iter_mut().find(|t| t.id == id) {
            Some(tally) => tally.calls += 1,
            None => self.tallies.push(Tally {
                id,
                calls: 1,
                time: Duration::ZERO,
            }),
        }
        Crossing {
            id,
            since: self.timed.then(Instant::now),
        }
    }

    /// The call is back in the sandbox.
    #[inline]
    pub fn exit(&mut self, crossing: Crossing) {
        if let Some(since) = crossing.since
            && let Some(tally) = self.tallies.iter_mut().find(|t| t.id == crossing.id)
        {
            tally.time += since.elapsed();
        }
    }

    /// Forgets what was counted.
    pub(crate) fn renew(&mut self) {
        self.tallies.clear();
    }

    /// Everything counted so far, in order of first call.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Where used grants are noted, when somebody asked.
    pub fn uses(&self) -> Option<&Uses> {
        self.uses.as_ref()
    }
}

/// Links the functions of one WIT interface through the seam.
///
/// ```ignore
/// cross!(linker, "wasi:clocks/monotonic-clock", "@0.2.12", WasiClocks, State::clocks, {
///     sync value "now" = monotonic_clock::Host::now {};
///     async fallible(types::Host::convert_error_code) "[method]descriptor.stat" =
///         types::HostDescriptor::stat { a };
///     store value "get-stdin" = stdin::HostWithStore::get_stdin {};      // 0.3, needs the store
///     concurrent value "wait-for" = monotonic_clock::HostWithStore::wait_for { a };  // 0.3 `async func`
///     drop "descriptor" Descriptor = types::HostDescriptor::drop;
/// });
/// ```
/// The arguments named in a row are the WIT function's parameters in order (`a, b, c, …`). `unit`,
/// `value` and `fallible(convert)` say what comes back: nothing, a value, or a `result` whose error
/// is a trappable error type of the bindings. A row may end in `, note path::to::before`, which is
/// called with `(&mut State, (&a, &b, …))` before the host function, and that in
/// ` => path::to::after`, which gets `(&mut State, what before returned, &mut the result)`.
///
/// The rows mirror what `wasmtime::component::bindgen!` writes into its own `add_to_linker`; for
/// WASI they are written by `cargo xtask seam`.
#[macro_export]
macro_rules! cross {
    ($linker:expr, $iface:literal, $version:literal, $data:ty, $getter:expr, { $($body:tt)* }) => {{
        // Only rows that need the store name the data's type; it is an import of all tables.
        let _ = ::core::marker::PhantomData::<$data>;
        let mut instance = $linker.instance(concat!($iface, $version))?;
        $crate::cross_rows!(instance, $iface, $data, $getter; $($body)*);
    }};
}

/// The rows of [`cross!`]; not to be called by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! cross_rows {
    ($inst:ident, $iface:literal, $data:ty, $getter:expr; ) => {};

    // ---- resources ----
    ($inst:ident, $iface:literal, $data:ty, $getter:expr; drop $name:literal $ty:ty = $f:path; $($rest:tt)*) => {
        {
            let id = $crate::seam::FnId::of($iface, concat!("[resource-drop]", $name));
            $inst.resource($name, ::wasmtime::component::ResourceType::host::<$ty>(), move |mut cx, rep| {
                let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter(id);
                let r = $f(&mut $getter(cx.data_mut()), ::wasmtime::component::Resource::new_own(rep));
                $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
                ::wasmtime::ToWasmtimeResult::to_wasmtime_result(r)
            })?;
        }
        $crate::cross_rows!($inst, $iface, $data, $getter; $($rest)*);
    };
    ($inst:ident, $iface:literal, $data:ty, $getter:expr; drop async $name:literal $ty:ty = $f:path; $($rest:tt)*) => {
        {
            let id = $crate::seam::FnId::of($iface, concat!("[resource-drop]", $name));
            $inst.resource_async($name, ::wasmtime::component::ResourceType::host::<$ty>(), move |mut cx, rep| {
                Box::new(async move {
                    let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter(id);
                    let r = $f(&mut $getter(cx.data_mut()), ::wasmtime::component::Resource::new_own(rep)).await;
                    $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
                    ::wasmtime::ToWasmtimeResult::to_wasmtime_result(r)
                })
            })?;
        }
        $crate::cross_rows!($inst, $iface, $data, $getter; $($rest)*);
    };
    ($inst:ident, $iface:literal, $data:ty, $getter:expr; drop store $name:literal $ty:ty = $f:path; $($rest:tt)*) => {
        {
            let id = $crate::seam::FnId::of($iface, concat!("[resource-drop]", $name));
            $inst.resource($name, ::wasmtime::component::ResourceType::host::<$ty>(), move |mut cx, rep| {
                let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter(id);
                let access = ::wasmtime::component::Access::<_, $data>::new(
                    ::wasmtime::AsContextMut::as_context_mut(&mut cx), $getter);
                let r = $f(access, ::wasmtime::component::Resource::new_own(rep));
                $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
                ::wasmtime::ToWasmtimeResult::to_wasmtime_result(r)
            })?;
        }
        $crate::cross_rows!($inst, $iface, $data, $getter; $($rest)*);
    };

    // ---- functions ----
    ($inst:ident, $iface:literal, $data:ty, $getter:expr;
     $($form:ident)+ $(($convert:path))? $name:literal = $f:path { $($args:tt)* }
     $(, note $note:path $(=> $then:path)?)?; $($rest:tt)*) => {
        {
            let id = $crate::seam::FnId::of($iface, $name);
            // The arguments go down twice: to be taken apart, and whole, for the optional note.
            $crate::cross_row!(
                [$($form)+ $(($convert))?] $inst, id, $data, $getter, $name, $f, { $($args)* } { $($args)* },
                [$($note $(=> $then)?)?]
            );
        }
        $crate::cross_rows!($inst, $iface, $data, $getter; $($rest)*);
    };
}

/// One function of [`cross!`]; not to be called by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! cross_row {
    ([sync $kind:ident $(($convert:path))?] $inst:ident, $id:ident, $data:ty, $getter:expr, $name:literal, $f:path,
     { $($arg:ident),* } $args:tt, [$($note:path $(=> $then:path)?)?]) => {
        $inst.func_wrap($name, move |mut cx: ::wasmtime::StoreContextMut<'_, _>, ($($arg,)*): ($($crate::cross_any!($arg),)*)| {
            let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter($id);
            $(
                #[allow(unused_variables, clippy::let_unit_value)]
                let memo = $crate::cross_note!($note, cx.data_mut(), $args);
            )?
            #[allow(unused_mut)]
            let mut r = $f(&mut $getter(cx.data_mut()), $($arg),*);
            $($( $then(cx.data_mut(), memo, &mut r); )?)?
            $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
            $crate::cross_result!($kind $(($convert))?, r, |e| &mut $getter(cx.data_mut()))
        })?;
    };
    ([async $kind:ident $(($convert:path))?] $inst:ident, $id:ident, $data:ty, $getter:expr, $name:literal, $f:path,
     { $($arg:ident),* } $args:tt, [$($note:path $(=> $then:path)?)?]) => {
        $inst.func_wrap_async($name, move |mut cx: ::wasmtime::StoreContextMut<'_, _>, ($($arg,)*): ($($crate::cross_any!($arg),)*)| {
            Box::new(async move {
                let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter($id);
                $(
                    #[allow(unused_variables, clippy::let_unit_value)]
                    let memo = $crate::cross_note!($note, cx.data_mut(), $args);
                )?
                #[allow(unused_mut)]
                let mut r = $f(&mut $getter(cx.data_mut()), $($arg),*).await;
                $($( $then(cx.data_mut(), memo, &mut r); )?)?
                $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
                $crate::cross_result!($kind $(($convert))?, r, |e| &mut $getter(cx.data_mut()))
            })
        })?;
    };
    ([store $kind:ident $(($convert:path))?] $inst:ident, $id:ident, $data:ty, $getter:expr, $name:literal, $f:path,
     { $($arg:ident),* } $args:tt, [$($note:path $(=> $then:path)?)?]) => {
        $inst.func_wrap($name, move |mut cx: ::wasmtime::StoreContextMut<'_, _>, ($($arg,)*): ($($crate::cross_any!($arg),)*)| {
            let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter($id);
            $(
                #[allow(unused_variables, clippy::let_unit_value)]
                let memo = $crate::cross_note!($note, cx.data_mut(), $args);
            )?
            let access = ::wasmtime::component::Access::<_, $data>::new(
                ::wasmtime::AsContextMut::as_context_mut(&mut cx), $getter);
            #[allow(unused_mut)]
            let mut r = $f(access, $($arg),*);
            $($( $then(cx.data_mut(), memo, &mut r); )?)?
            $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
            $crate::cross_result!($kind $(($convert))?, r, |e| &mut $getter(cx.data_mut()))
        })?;
    };
    ([async store $kind:ident $(($convert:path))?] $inst:ident, $id:ident, $data:ty, $getter:expr, $name:literal, $f:path,
     { $($arg:ident),* } $args:tt, [$($note:path $(=> $then:path)?)?]) => {
        $inst.func_wrap_async($name, move |mut cx: ::wasmtime::StoreContextMut<'_, _>, ($($arg,)*): ($($crate::cross_any!($arg),)*)| {
            Box::new(async move {
                let crossing = $crate::InstanceState::core(cx.data_mut()).seam.enter($id);
                $(
                    #[allow(unused_variables, clippy::let_unit_value)]
                    let memo = $crate::cross_note!($note, cx.data_mut(), $args);
                )?
                let access = ::wasmtime::component::Access::<_, $data>::new(
                    ::wasmtime::AsContextMut::as_context_mut(&mut cx), $getter);
                #[allow(unused_mut)]
                let mut r = $f(access, $($arg),*).await;
                $($( $then(cx.data_mut(), memo, &mut r); )?)?
                $crate::InstanceState::core(cx.data_mut()).seam.exit(crossing);
                $crate::cross_result!($kind $(($convert))?, r, |e| &mut $getter(cx.data_mut()))
            })
        })?;
    };
    ([concurrent $kind:ident $(($convert:path))?] $inst:ident, $id:ident, $data:ty, $getter:expr, $name:literal, $f:path,
     { $($arg:ident),* } $args:tt, [$($note:path $(=> $then:path)?)?]) => {
        $inst.func_wrap_concurrent($name, move |cx: &::wasmtime::component::Accessor<_>, ($($arg,)*): ($($crate::cross_any!($arg),)*)| {
            Box::pin(async move {
                let crossing = cx.with(|mut s| $crate::InstanceState::core(s.data_mut()).seam.enter($id));
                $(
                    #[allow(unused_variables, clippy::let_unit_value)]
                    let memo = cx.with(|mut s| $crate::cross_note!($note, s.data_mut(), $args));
                )?
                let host = &cx.with_getter::<$data>($getter);
                #[allow(unused_mut)]
                let mut r = $f(host, $($arg),*).await;
                cx.with(|mut s| {
                    $($( $then(s.data_mut(), memo, &mut r); )?)?
                    $crate::InstanceState::core(s.data_mut()).seam.exit(crossing);
                    $crate::cross_result!($kind $(($convert))?, r, |e| &mut $getter(s.data_mut()))
                })
            })
        })?;
    };
}

/// Calls a row's note with borrowed arguments.
#[doc(hidden)]
#[macro_export]
macro_rules! cross_note {
    ($note:path, $state:expr, { $($arg:ident),* }) => {
        $note($state, ($(&$arg,)*))
    };
}

/// `_` for each argument: the bindings' signature decides the type.
#[doc(hidden)]
#[macro_export]
macro_rules! cross_any {
    ($arg:ident) => {
        _
    };
}

/// Turns what the bindings return into what the linker wants.
#[doc(hidden)]
#[macro_export]
macro_rules! cross_result {
    (unit, $r:ident, |$e:ident| $host:expr) => {
        ::wasmtime::ToWasmtimeResult::to_wasmtime_result($r)
    };
    (value, $r:ident, |$e:ident| $host:expr) => {
        Ok((::wasmtime::ToWasmtimeResult::to_wasmtime_result($r)?,))
    };
    (fallible($convert:path), $r:ident, |$e:ident| $host:expr) => {
        Ok((match $r {
            Ok(value) => Ok(value),
            Err($e) => Err(::wasmtime::ToWasmtimeResult::to_wasmtime_result($convert(
                $host, $e,
            ))?),
        },))
    };
}
