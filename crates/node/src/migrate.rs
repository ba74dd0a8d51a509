//! Migrate: a node with everything that it keeps moves to other places, once and for good.
//!
//! The log that goes on must be one: the new home opens only when the old one is closed for ever. Until then the new
//! one's settings wait beside where they will be; a run that was killed goes on from there.

use std::path::Path;

use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::home::{Home, Passphrase, Places};
use crate::node::Node;
use crate::transfer::{Transferred, transfer};

/// What a migration came to.
#[derive(Clone, Debug, Serialize)]
pub struct Migrated {
    /// What is at the new places, found equal on both sides.
    #[serde(flatten)]
    pub transferred: Transferred,
    /// Digest of the folded state, the same on both sides.
    pub state: String,
}

/// Moves the node of the home `from` to `places`, with its home in `dir`: a new one, or `from` itself.
pub fn migrate(from: &Path, dir: &Path, places: Places, passphrase: Option<Passphrase>) -> Result<Migrated> {
    let source = Home::open_moved(from, dir)?.under(passphrase);
    let target = source.prepare(dir, places)?;
    // Held to the end: nobody else works on the old places meanwhile, and what a crash left unpublished is not.
    let node = Node::open(source.clone())?;
    let (size, state) = (node.state().size(), digest(&node)?);
    let transferred = transfer(&source, &target, None)?;
    // The same code as any start: it lays out the public files, and checks the root and the signature by that.
    let moved = Node::open(target.clone())?;
    if moved.state().size() != size || digest(&moved)? != state || moved.checkpoint() != node.checkpoint() {
        return Err(NodeError::bug("the state at the new places is another one; nothing was switched"));
    }
    drop((node, moved));
    source.close_for(&target)?;
    target.settle()?;
    Ok(Migrated { transferred, state })
}

fn digest(node: &Node) -> Result<String> {
    Ok(node.state().digest().map_err(NodeError::bug)?.to_string())
}
