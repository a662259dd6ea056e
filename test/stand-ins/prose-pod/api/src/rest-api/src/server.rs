//! Asks the server; one request a connection.

use std::{io, time::Duration};

use tokio::{io::{AsyncReadExt, AsyncWriteExt}, net::TcpStream, time::timeout};

const ADDRESS: &str = "prose-pod-server:8080";

pub async fn get(path: &str) -> io::Result<(u16, String)> {
    request("GET", path).await
}

pub async fn post(path: &str) -> io::Result<(u16, String)> {
    request("POST", path).await
}

async fn request(method: &str, path: &str) -> io::Result<(u16, String)> {
    timeout(Duration::from_secs(3), exchange(method, path)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn exchange(method: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(ADDRESS).await?;
    stream.write_all(format!("{method} {path} HTTP/1.0\r\nHost: prose-pod-server\r\nContent-Length: 0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}
