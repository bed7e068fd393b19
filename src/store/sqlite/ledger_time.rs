//! Where in the ledger a time begins. Entries are numbered as they come, so halving finds it without an index that every
//! mail would have to pay for; where the clock was set back, the border is as unsharp as that.

use super::super::StoreError;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension};

/// The first entry that was received at this time or later; beyond the last one if none was.
pub fn first_since(connection: &Connection, at: UnixMs) -> Result<Id, StoreError> {
    let ends = "SELECT ifnull(min(id), 0), ifnull(max(id), 0) FROM ledger";
    let (mut low, last): (i64, i64) = connection.query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut high = last.saturating_add(1);
    let mut look = connection.prepare_cached("SELECT id, received_at FROM ledger WHERE id >= ? ORDER BY id LIMIT 1")?;
    while low < high {
        let middle = low.midpoint(high);
        let found = look.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
        match found {
            Some((id, received)) if received < at.0 => low = id.saturating_add(1),
            Some(_) | None => high = middle,
        }
    }
    Ok(Id(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_found_among_entries_with_gaps() {
        let connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        connection
            .execute_batch("CREATE TABLE ledger (id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL)")
            .expect("a table");
        let first = |at| first_since(&connection, UnixMs(at)).expect("the ledger is read").0;
        assert_eq!(first(5), 0);
        connection.execute_batch("INSERT INTO ledger VALUES (3, 10), (4, 20), (90, 20), (91, 30)").expect("entries");
        for (at, expected) in [(0, 3), (10, 3), (11, 4), (20, 4), (21, 91), (30, 91), (31, 92)] {
            assert_eq!(first(at), expected, "{at}");
        }
    }
}
