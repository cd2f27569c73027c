//! The HTTP methods of raw calls, and which of them read.

use std::fmt;
use std::str::FromStr;

use super::input::InvalidInput;

/// The HTTP method of a [raw call](crate::Client::request).
///
/// ```
/// use d1_facade::Method;
///
/// assert_eq!("DELETE".parse(), Ok(Method::Delete));
/// # Ok::<(), d1_facade::InvalidInput>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Method {
    /// `GET`: it reads.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl Method {
    pub(super) const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// Returns the method as HTTP writes it, such as `GET`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Returns what stands for the operationId of a raw call.
    pub(super) const fn raw_id(self) -> &'static str {
        match self {
            Self::Get => "rawGet",
            Self::Post => "rawPost",
            Self::Put => "rawPut",
            Self::Patch => "rawPatch",
            Self::Delete => "rawDelete",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads a method in capital letters; any other text is refused (field `method`).
impl FromStr for Method {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let found = Self::ALL.into_iter().find(|method| method.as_str() == text);
        let rule = "must be GET, POST, PUT, PATCH or DELETE";
        found.ok_or_else(|| InvalidInput::new("method", rule))
    }
}
