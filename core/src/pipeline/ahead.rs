//! Completions asked for before they are needed, several at once: a model that hands out what it was asked ahead.
//!
//! The flow that uses it stays as it is, and so do its results: a completion is handed out only for the very request
//! it was asked with. Where a request turned out another (a turn before it changed what it is about), the model is
//! asked as usual, and the completion asked ahead was for nothing.
//!
//! Rooms it touches: types, model.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{Completion, LanguageModel, ModelError, Request, Sampling, Skill, Stop, Usage};
use crate::types::Cancel;

/// A model with completions that it gave ahead.
pub struct Ahead<'a> {
    model: &'a dyn LanguageModel,
    given: Mutex<Vec<(Request, Completion)>>,
}

impl<'a> Ahead<'a> {
    /// Nothing asked yet.
    pub fn new(model: &'a dyn LanguageModel) -> Self {
        Self { model, given: Mutex::default() }
    }

    /// Asks these at once. What fails or is stopped is asked again when it is needed, and fails then.
    pub fn ask(&self, requests: &[Request], cancel: &Cancel) {
        if requests.is_empty() || cancel.is_cancelled() {
            return;
        }
        let completions = self.model.complete_all(requests, cancel);
        let asked = requests.iter().cloned().zip(completions);
        let whole = asked.filter_map(|(request, given)| Some((request, given.ok()?)));
        self.given().extend(whole.filter(|(_, completion)| completion.stop != Stop::Cancelled));
    }

    /// What was asked for nothing; forgets it.
    pub fn wasted(&self) -> Usage {
        let mut usage = Usage::default();
        self.given().drain(..).for_each(|(_, completion)| usage += completion.usage);
        usage
    }

    /// A panic elsewhere leaves nothing half done in the list.
    fn given(&self) -> MutexGuard<'_, Vec<(Request, Completion)>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LanguageModel for Ahead<'_> {
    fn context_tokens(&self) -> usize {
        self.model.context_tokens()
    }

    fn is_trained_to(&self, skill: Skill) -> bool {
        self.model.is_trained_to(skill)
    }

    fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        self.model.count_tokens(text)
    }

    fn at_once(&self) -> usize {
        self.model.at_once()
    }

    fn complete_all(&self, requests: &[Request], cancel: &Cancel) -> Vec<Result<Completion, ModelError>> {
        self.model.complete_all(requests, cancel)
    }

    fn complete(
        &self,
        request: &Request,
        cancel: &Cancel,
        sink: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Completion, ModelError> {
        let given = {
            let mut given = self.given();
            // A drawn reply is another one each time.
            let greedy = request.sampling == Sampling::Greedy;
            let at = given.iter().position(|(asked, _)| greedy && asked == request);
            at.map(|at| given.swap_remove(at).1)
        };
        match given {
            Some(mut completion) => {
                if cancel.is_cancelled() || sink(&completion.text).is_break() {
                    completion.stop = Stop::Cancelled;
                }
                Ok(completion)
            }
            None => self.model.complete(request, cancel, sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::prompt::chat::Chat;
    use crate::testing::{Reply, ScriptedModel};

    fn request(user: &str, sampling: Sampling) -> Request {
        let chat = Chat { user: user.into(), ..Chat::default() };
        Request { role: Role::Manager, chat, grammar: None, max_tokens: 8, sampling }
    }

    #[test]
    fn only_the_very_request_gets_what_was_asked_ahead_and_only_once() {
        let script =
            ["one".into(), Reply::Fails, "drawn".into(), "new".into(), "one again".into(), "other".into()];
        let model = ScriptedModel::new(script);
        let ahead = Ahead::new(&model);
        let dice = Sampling::Temperature { temperature: 1.0, seed: 1 };
        let [one, failing, drawn] =
            [("1", Sampling::Greedy), ("2", Sampling::Greedy), ("3", dice)].map(|(user, s)| request(user, s));
        ahead.ask(&[one.clone(), failing, drawn.clone()], &Cancel::new());
        let ask = |request: &Request| {
            ahead.complete(request, &Cancel::new(), &mut |_| ControlFlow::Continue(())).unwrap().text
        };
        assert_eq!(ask(&drawn), "new");
        assert_eq!((ask(&one), model.asked().len()), ("one".to_owned(), 4));
        assert_eq!(ask(&one), "one again");
        let longer = Request { max_tokens: 9, ..one };
        assert_eq!(ask(&longer), "other");
        assert_eq!((ahead.wasted().calls, ahead.wasted().calls), (1, 0));
    }

    #[test]
    fn a_thrown_switch_or_a_breaking_sink_stops_it_too() {
        let model = ScriptedModel::new(["a", "b"]);
        let ahead = Ahead::new(&model);
        let requests = ["1", "2"].map(|user| request(user, Sampling::Greedy));
        ahead.ask(&requests, &Cancel::new());
        let thrown = Cancel::new();
        thrown.cancel();
        let stopped = ahead.complete(&requests[0], &thrown, &mut |_| ControlFlow::Continue(())).unwrap();
        let broken = ahead.complete(&requests[1], &Cancel::new(), &mut |_| ControlFlow::Break(())).unwrap();
        assert_eq!([stopped.stop, broken.stop], [Stop::Cancelled; 2]);
    }
}
