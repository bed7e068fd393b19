//! What is wrong with a mail, as short names: never a reason to refuse it, always a reason to be careful.

/// A set of short names.
#[derive(Debug, Default)]
pub struct Defects(std::collections::BTreeSet<&'static str>);

impl Defects {
    /// Notes one; a second time changes nothing.
    pub fn add(&mut self, name: &'static str) {
        self.0.insert(name);
    }

    /// Sorted, without doubles.
    pub fn into_sorted(self) -> Vec<&'static str> {
        self.0.into_iter().collect()
    }
}
