use api_types::{DeadLetter, DeadLetterDetail, DeadLetterFilter, ReplayRequest, ReplayResponse};
use domain::ids::DeadLetterId;

use crate::{Call, Client, List};

impl Client {
    /// Dead letters, newest first.
    pub fn dead_letters(&self, filter: &DeadLetterFilter) -> List<DeadLetter> {
        self.list(&["dead-letters"], filter)
    }

    /// One dead letter with its message.
    pub fn dead_letter(&self, id: DeadLetterId) -> Call<DeadLetterDetail> {
        self.get(&["dead-letters", &id.to_string()])
    }

    /// Replays a dead letter.
    pub fn dead_letter_replay(&self, id: DeadLetterId) -> Call<DeadLetter> {
        self.post(&["dead-letters", &id.to_string(), "replay"])
    }

    /// Replays every dead letter that meets the conditions. Repeatable: a dead letter that was replayed is not replayed again.
    pub fn dead_letters_replay(&self, request: &ReplayRequest) -> Call<ReplayResponse> {
        self.post(&["dead-letters", "replay"]).repeatable().json(request)
    }

    /// Deletes a dead letter.
    pub fn dead_letter_delete(&self, id: DeadLetterId) -> Call<()> {
        self.delete(&["dead-letters", &id.to_string()])
    }
}
