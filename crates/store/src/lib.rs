//! Bytes that last: the event store on SQLite, the table store on an object store, the vault of private records.
