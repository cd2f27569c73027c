//! The client of a test, for which a closure responds in place of D1.

use super::ClientBuilder;
use crate::auth::TokenOptions;
use crate::dry_run::{Local, PreparedRequest};
use crate::http_client::HttpOptions;
use crate::test_util::Reply;

impl ClientBuilder {
    /// Lets a closure respond in place of D1, for a unit test (feature `test-util`). No socket is opened, and no token
    /// is requested.
    ///
    /// It takes the place of the settings of the connection and of the token that were given before, so that a test can
    /// begin with the builder of the service. What the closure gets is complete but for the token, which is masked.
    /// [`test_util`](crate::test_util) has an example.
    ///
    /// # Errors
    /// [`build`](Self::build) fails where a signer or another setting of the token is given after it.
    pub fn in_memory(
        mut self,
        responder: impl Fn(PreparedRequest) -> Reply + Send + Sync + 'static,
    ) -> Self {
        self.tokens = TokenOptions::in_memory();
        self.http = HttpOptions {
            local: Some(Local {
                respond: Box::new(move |request, claim| responder(request).end(claim)),
                is_dry_run: false,
            }),
            ..HttpOptions::default()
        };
        self
    }
}
