//! Commands, events, and the state they fold into: who contributed what, and who is owed how much.
