//! What running attempts learn of a stop: that nothing new begins, and later that their time is over.

use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default)]
pub struct Drain {
    begun: CancellationToken,
    over: CancellationToken,
}

impl Drain {
    /// What has not begun to speak to a host is put back.
    pub fn begin(&self) {
        self.begun.cancel();
    }

    /// Attempts end where they are.
    pub fn end(&self) {
        self.over.cancel();
    }

    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    pub async fn over(&self) {
        self.over.cancelled().await;
    }
}
