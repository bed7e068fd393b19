//! What a new message does to its conversation. Pure.

use super::model::{AuthorKind, Direction, Status};
use crate::mail::automatic::Class;

/// The status after a message: a person who writes in opens a conversation again or wakes it; a machine never does,
/// or two vacation notices would keep a resolved conversation alive for ever (RFC 3834 §2). `class` is `None` for what did
/// not come by mail.
pub fn status_after(status: Status, direction: Direction, author: AuthorKind, class: Option<Class>) -> Status {
    let by_hand = matches!(class, None | Some(Class::Human));
    let from_outside = matches!(author, AuthorKind::Contact | AuthorKind::Participant);
    if direction == Direction::Incoming && from_outside && by_hand { Status::Open } else { status }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: Status, direction: Direction, author: AuthorKind, class: Option<Class>, expected: Status) {
        assert_eq!(status_after(status, direction, author, class), expected, "{status:?} {direction:?} {class:?}");
    }

    #[test]
    fn a_person_reopens_and_a_machine_does_not() {
        use AuthorKind::{Agent, Contact, Participant};
        use Direction::{Incoming, Note, Outgoing};
        check(Status::Resolved, Incoming, Contact, Some(Class::Human), Status::Open);
        check(Status::Snoozed, Incoming, Participant, Some(Class::Human), Status::Open);
        check(Status::Resolved, Incoming, Contact, None, Status::Open);
        for class in [Class::AutoReply, Class::Bounce, Class::List] {
            check(Status::Resolved, Incoming, Contact, Some(class), Status::Resolved);
        }
        check(Status::Resolved, Outgoing, Agent, None, Status::Resolved);
        check(Status::Snoozed, Note, Agent, None, Status::Snoozed);
    }
}
