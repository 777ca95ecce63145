//! What goes in comes out, in each notation and through a guest; what does not fit is told by place.

mod alive;
mod convert;
pub(crate) mod guest;
mod host;
mod mistakes;
pub(crate) mod random;
mod shapes;

use super::json::{self, Bytes, Integers, NoHandles, Options};
use super::*;
use convert::to_val;
use proptest::prelude::*;
use random::Random;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_there_and_back(seed in any::<u64>(), array in any::<bool>(), strings in any::<bool>()) {
        let mut random = Random(seed);
        let ty = random.ty(5, true);
        let value = random.value(&ty);
        let options = Options {
            bytes: if array { Bytes::Array } else { Bytes::Base64 },
            integers: if strings { Integers::Strings } else { Integers::Exact },
        };
        let text = json::to_string(&ty, &value, options, &mut NoHandles).unwrap();
        let back = json::from_str(&ty, &text, &mut NoHandles);
        prop_assert_eq!(back.as_ref(), Ok(&value), "{} {}", ty, text);
        let parsed = json::to_value(&ty, &value, options, &mut NoHandles).unwrap();
        let back = json::from_value(&ty, &parsed, &mut NoHandles);
        prop_assert_eq!(back.as_ref(), Ok(&value), "{} {}", ty, parsed);
    }

    #[test]
    fn wave_there_and_back(seed in any::<u64>()) {
        let mut random = Random(seed);
        let ty = random.ty(5, true);
        let value = random.value(&ty);
        let text = wave::to_string(&ty, &value, &mut NoHandles).unwrap();
        let back = wave::from_str(&ty, &text, &mut NoHandles);
        prop_assert_eq!(back.as_ref(), Ok(&value), "{} {}", ty, text);
    }

    /// A value of one type read as another either fits it or is told to be wrong, and nothing else.
    #[test]
    fn values_of_other_types_fit_or_are_refused(seed in any::<u64>()) {
        let mut random = Random(seed);
        let (of, other) = (random.ty(3, true), random.ty(3, true));
        let value = random.value(&of);
        let text = json::to_string(&of, &value, Options::default(), &mut NoHandles).unwrap();
        match json::from_str(&other, &text, &mut NoHandles) {
            Ok(read) => {
                let again = json::to_string(&other, &read, Options::default(), &mut NoHandles).unwrap();
                prop_assert_eq!(json::from_str(&other, &again, &mut NoHandles), Ok(read));
            }
            Err(mismatch) => prop_assert!(!mismatch.problem.is_empty()),
        }
        let text = wave::to_string(&of, &value, &mut NoHandles).unwrap();
        match wave::from_str(&other, &text, &mut NoHandles) {
            Ok(read) => {
                let again = wave::to_string(&other, &read, &mut NoHandles).unwrap();
                prop_assert_eq!(wave::from_str(&other, &again, &mut NoHandles), Ok(read));
            }
            Err(mismatch) => prop_assert!(!mismatch.problem.is_empty()),
        }
        // Whatever fits is taken by the engine's side too; what does not is an error, not a crash.
        let _ = to_val(&other, value);
    }
}

#[test]
fn whatever_text_is_read_or_explained() {
    let mut random = Random(7);
    let types: Vec<Type> = (0..40).map(|_| random.ty(4, true)).collect();
    let words = [
        "{\"", "\":", "[", "null", "some(", "\\u", "1e999", "-0", "\"nan\"", "{a: ", "'",
    ];
    crate::fuzz::text("values", &words, |text| {
        for ty in &types {
            for read in [json::from_str, wave::from_str] {
                if let Err(mismatch) = read(ty, text, &mut NoHandles) {
                    assert!(!mismatch.to_string().is_empty());
                }
            }
        }
    });
}
