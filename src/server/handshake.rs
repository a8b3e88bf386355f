//! TLS on a connection: names that are not ours are refused before any certificate is shown.

use std::io;

use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::Transport;
use crate::tls::Tls;

/// A fatal alert, `unrecognized_name`, as nothing is encrypted yet. Documented: RFC 8446, 5.1 and 6; RFC 6066, 3.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// The server's side of a handshake.
///
/// # Errors
/// Where the client asks for a name that is not ours, does not trust us, or does not speak TLS.
pub(super) async fn accept<T: Transport>(stream: T, tls: &Tls) -> io::Result<TlsStream<T>> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start.client_hello().server_name().map(str::to_owned);
    if !tls.answers(name.as_deref()) {
        start.io.write_all(&UNRECOGNIZED_NAME).await?;
        start.io.shutdown().await?;
        return Err(io::Error::other(format!("{:?} is no name of ours", name.unwrap_or_default())));
    }
    start.into_stream(tls.config()).await
}
