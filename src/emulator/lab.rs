//! Scans, pictures and explanations, as the control API has them.

use std::sync::Arc;

use axum::body::Bytes;

use super::Emulator;
use crate::codec::lab::{Drawn, LabError, Recipe};
use crate::control;
use crate::explain::Explained;
use crate::server::VENDORS;
use crate::simulator::{Callback, Scan, ScanError, Scanned, ShownCallback, Simulator, Verified};
use crate::vendor;

impl Emulator {
    /// Acts out that a user scans a code: the account's application is told as the vendor tells it, up to three times.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use qrstack::simulator::{Callback, Scan, ScanError, Shown};
    /// let emulator = qrstack::Emulator::builder().setting("fetch_allow", "127.0.0.1").start().await?;
    /// let appid = emulator.credentials().wechat_appid;
    /// emulator.set_callback(Callback::new(appid, "http://127.0.0.1:3000/wechat", "token"))?;
    /// // A ticket that nobody made.
    /// let scanned = emulator.scan(Scan::of(Shown::Ticket("gQH…".to_owned()))).await;
    /// assert!(matches!(scanned, Err(ScanError::NoSuchCode)));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Where there is no such code, or nobody to be told. An application that does not answer is no error: what came of
    /// each attempt is in the result.
    pub async fn scan(&self, scan: Scan) -> Result<Scanned, ScanError> {
        let simulator = self.simulator()?;
        self.on_its_runtime(async move { simulator.scan(scan).await }).await
    }

    /// Sets where an account's application is told.
    ///
    /// # Errors
    /// [`ScanError::BadCallback`].
    pub fn set_callback(&self, callback: Callback) -> Result<ShownCallback, ScanError> {
        self.simulator()?.set_callback(callback)
    }

    /// Verifies the address of an account's application, as the vendor does when it is set.
    ///
    /// # Errors
    /// [`ScanError::NoCallback`].
    pub async fn verify_callback(&self, credential: &str) -> Result<Verified, ScanError> {
        let (simulator, credential) = (self.simulator()?, credential.to_owned());
        self.on_its_runtime(async move { simulator.verify(&credential).await }).await
    }

    /// Draws a picture and keeps it at an address that every reading API fetches without a socket.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use qrstack::codec::Kind;
    /// use qrstack::codec::lab::{Damage, Recipe};
    /// let emulator = qrstack::Emulator::start().await;
    /// let damage = Damage { rotation: 20.0, noise: 0.05, ..Damage::default() };
    /// let (img_url, drawn) = emulator.draw(Recipe { damage, ..Recipe::of(Kind::QrCode, "hello") })?;
    /// assert!(img_url.starts_with(emulator.url()) && drawn.width > 100);
    /// # Ok::<(), qrstack::codec::lab::LabError>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Where the recipe cannot be followed.
    pub fn draw(&self, recipe: Recipe) -> Result<(String, Drawn), LabError> {
        let path = control::picture_path(&recipe);
        let drawn = recipe.plan()?.draw();
        let address = format!("{}{path}", self.url());
        self.app.shared.fetch().serve(path, Bytes::from(drawn.bytes.clone()));
        Ok((address, drawn))
    }

    /// Why the signature of a request is refused. `raw` is the request as it is on the wire.
    ///
    /// # Errors
    /// Where it is no request, or carries no signature.
    pub fn explain(&self, raw: &[u8]) -> Result<Explained, String> {
        vendor::explain(VENDORS, raw, &self.app.shared.explaining())
    }

    fn simulator(&self) -> Result<Arc<dyn Simulator>, ScanError> {
        self.app.simulators.first().cloned().ok_or(ScanError::NoSuchCode)
    }
}
