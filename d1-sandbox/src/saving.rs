//! When the state file is written: before a response says what it does not have yet.

use crate::app::App;
use crate::settings::StartError;
use crate::state::{State, StateFile};
use std::sync::Arc;

impl App {
    /// Writes the state file if something has changed. It is written to the end even if the caller leaves.
    pub(crate) async fn save(self: Arc<Self>) {
        if !self.state.as_ref().is_some_and(StateFile::is_behind) {
            return;
        }
        let saved = tokio::spawn(async move { self.save_now().await });
        match saved.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a change is not kept"),
            Err(error) => tracing::error!(%error, "a change is not kept"),
        }
    }

    /// Writes the state file.
    pub(crate) async fn save_now(&self) -> Result<(), StartError> {
        let Some(file) = &self.state else {
            return Ok(());
        };
        let written = file.save(|| {
            let cards: Vec<_> = self.all_cards().collect();
            let ledgers = cards
                .iter()
                .map(|(id, cards)| ((*id).clone(), cards.ledger()));
            serde_json::to_vec(&State::new(&self.clock, ledgers.collect()))
        });
        written.await
    }
}
