//! A service that uses reqwest 0.12 with rustls.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    suspend::suspend_beside(|| {
        reqwest::Client::new();
    })
    .await
}
