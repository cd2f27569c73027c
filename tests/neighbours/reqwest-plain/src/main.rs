//! A service that uses reqwest without TLS, for plain HTTP.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    suspend::suspend_beside(|| {
        reqwest::Client::new();
    })
    .await
}
