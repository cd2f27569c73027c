//! Hands out requests instead of sending them.
//!
//! The request is complete when it is handed out: it was built by the generated client, with all headers but those that
//! the HTTP stack adds (`host`, `content-length`). So what a dry run shows is what a call sends. The access token is
//! masked, since a dry run is printed.

use std::fmt;

use bytes::Bytes;
use d1_transport::{Cause, Claim, Failure, HttpResponse, Written};
use http::{HeaderValue, header};

/// What takes requests in this process, in place of D1.
pub(crate) struct Local {
    pub(crate) respond: Respond,
    /// Whether there are no responses, and each call ends with its first request.
    pub(crate) is_dry_run: bool,
}

type Respond = Box<dyn Fn(PreparedRequest, &Claim) -> Result<HttpResponse, Failure> + Send + Sync>;

impl Local {
    /// Passes each request to `sink`.
    pub(crate) fn dry_run(sink: impl Fn(PreparedRequest) + Send + Sync + 'static) -> Self {
        let respond = move |request, _: &Claim| {
            sink(request);
            Err(Failure::new(Written::No, Cause::BadRequest))
        };
        Self {
            respond: Box::new(respond),
            is_dry_run: true,
        }
    }
}

/// A request that a [dry run](crate::ClientBuilder::dry_run) hands out instead of sending it.
///
/// It has everything that the client would send, but for the access token. `Debug` shows the method alone, since the
/// URL has the id of the card and the body may hold encrypted card data.
///
/// ```no_run
/// # fn f(builder: d1_facade::ClientBuilder) -> Result<(), d1_facade::InvalidInput> {
/// let d1 = builder
///     .dry_run(|request| {
///         println!("{} {}", request.method(), request.url());
///         for (name, value) in request.headers() {
///             println!("{name}: {value}");
///         }
///         println!("{} bytes of body", request.body().len());
///     })
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub struct PreparedRequest(http::Request<Bytes>);

impl PreparedRequest {
    /// Returns a request with its token masked.
    pub(crate) fn new(mut request: http::Request<Bytes>) -> Self {
        if let Some(value) = request.headers_mut().get_mut(header::AUTHORIZATION) {
            *value = HeaderValue::from_static("Bearer [masked]");
        }
        Self(request)
    }

    /// Returns the HTTP method, such as `POST`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.method().as_str()
    }

    /// Returns the whole URL: the address of D1, the path and the query.
    #[must_use]
    pub fn url(&self) -> String {
        self.0.uri().to_string()
    }

    /// Returns the names of the headers, in lower case, with their values. The value of `authorization` is masked.
    /// A value that is not visible ASCII is empty.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0.headers().iter();
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
    }

    /// Returns the body; empty where there is none.
    ///
    /// The body of the token request holds a signed assertion, for which D1 gives a token: do not log it.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.body()
    }
}

impl fmt::Debug for PreparedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}
