//! A server without TLS that does no more than answer: what is measured is its caller.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use crate::samples::{self, REFUSAL, REFUSED, WORST_PAGE};

/// What is answered, made once.
struct Pages {
    usual: Bytes,
    worst: Bytes,
}

/// Answers for ever: a GET with a page, the calls of a card that is refused with its status, everything else
/// with 204. Gives its address to `ready`.
pub async fn serve(ready: impl FnOnce(&str)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let pages = Arc::new(Pages {
        usual: samples::page(100).into(),
        worst: samples::worst_page().into(),
    });
    let app = Router::new().fallback(move |request: Request| {
        let pages = pages.clone();
        async move {
            let (parts, body) = request.into_parts();
            axum::body::to_bytes(body, usize::MAX).await.unwrap();
            answer(&parts.method, parts.uri.path(), &pages)
        }
    });
    ready(&url);
    axum::serve(listener, app).await.unwrap();
}

fn answer(method: &Method, path: &str, pages: &Pages) -> Response {
    let card = path.split('/').nth(6).unwrap_or_default();
    let (status, body) = match card.strip_prefix(REFUSED) {
        Some(status) => (
            status.parse().unwrap(),
            Bytes::from_static(REFUSAL.as_bytes()),
        ),
        None if method != Method::GET => (StatusCode::NO_CONTENT, Bytes::new()),
        None if card == WORST_PAGE => (StatusCode::OK, pages.worst.clone()),
        None => (StatusCode::OK, pages.usual.clone()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
