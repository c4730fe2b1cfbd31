//! From the JSON that the model sends to the values that the function takes.
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, JsonMap, Result};

/// Makes the arguments of one call.
pub(super) type Reader<P> = Box<dyn Fn(&mut JsonMap) -> Result<P> + Send + Sync>;

/// Takes one argument out. One that is left out is read as null, which only an optional one can be.
pub fn take<T: DeserializeOwned>(arguments: &mut JsonMap, name: &str) -> Result<T> {
    let Some(value) = arguments.remove(name) else {
        return T::deserialize(Value::Null)
            .map_err(|_| Error::invalid(format!("the argument '{name}' is missing")));
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = error.path().to_string();
        let place = match inner.as_str() {
            "." => name.to_owned(),
            _ if inner.starts_with('[') => format!("{name}{inner}"),
            _ => format!("{name}.{inner}"),
        };
        unreadable(&place, error.inner())
    })
}

/// Reads all arguments as one value.
pub fn read<T: DeserializeOwned>(arguments: JsonMap) -> Result<T> {
    serde_path_to_error::deserialize(Value::Object(arguments)).map_err(|error| {
        match error.path().to_string().as_str() {
            "." => Error::invalid(format!("the arguments cannot be read: {}", error.inner())),
            place => unreadable(place, error.inner()),
        }
    })
}

fn unreadable(place: &str, error: &serde_json::Error) -> Error {
    Error::invalid(format!("the argument '{place}' cannot be read: {error}"))
}

/// A list of arguments that can take one more. At most eight stand side by side; more of them are the fields of a struct.
#[diagnostic::on_unimplemented(
    message = "no parameter can be added to `{Self}`",
    note = "a builder takes at most eight parameters; for more, give `arguments` one struct type"
)]
pub trait Append<T> {
    /// The longer list.
    type Longer: Send + 'static;

    /// With one more at its end.
    fn append(self, last: T) -> Self::Longer;
}

impl<Last: Send + 'static> Append<Last> for () {
    type Longer = (Last,);

    fn append(self, last: Last) -> Self::Longer {
        (last,)
    }
}

macro_rules! append {
    ($($($name:ident)+;)*) => {$(
        #[expect(non_snake_case, reason = "a value is named as its type")]
        impl<$($name: Send + 'static,)+ Last: Send + 'static> Append<Last> for ($($name,)+) {
            type Longer = ($($name,)+ Last,);

            fn append(self, last: Last) -> Self::Longer {
                let ($($name,)+) = self;
                ($($name,)+ last,)
            }
        }
    )*};
}
append! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; }
