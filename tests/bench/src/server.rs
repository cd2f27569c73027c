//! A server without TLS that does no more than answer: what is measured is its caller.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use axum::{Router, extract::Request};

use crate::samples;

/// Answers a GET with a page and everything else with 204, for ever. Gives its address to `ready`.
pub async fn serve(ready: impl FnOnce(&str)) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page: Arc<[u8]> = samples::page(100).into();
    let app = Router::new().fallback(move |request: Request| {
        let page = page.clone();
        async move { answer(&request, &page) }
    });
    ready(&url);
    axum::serve(listener, app).await.unwrap();
}

fn answer(request: &Request, page: &[u8]) -> Response {
    let mut response = Response::new(Body::empty());
    if request.method() == Method::GET {
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        *response.body_mut() = Body::from(page.to_vec());
    } else {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
