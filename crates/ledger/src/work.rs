//! What the state says is due.

use crate::datanet::Datanet;
use crate::ids::DatanetId;
use crate::state::State;

/// Something that a machine has to do next. Its result comes back as a command; until then it stays due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A contribution without verdicts.
    Gate {
        /// Where.
        datanet: DatanetId,
        /// The contribution, by its place in the log.
        contribution: u64,
    },
    /// The newest snapshot has no model.
    Train {
        /// Where.
        datanet: DatanetId,
        /// The snapshot, by its place in the log.
        snapshot: u64,
    },
    /// The newest model has no valuation.
    Value {
        /// Where.
        datanet: DatanetId,
        /// The model, by its place in the log.
        model: u64,
    },
    /// A question is paid, and there is a model to answer it.
    Answer {
        /// Where.
        datanet: DatanetId,
        /// The ask, by its place in the log.
        query: u64,
        /// The model that answers, by its place in the log.
        model: u64,
    },
}

/// All that is due: by datanet, then in the order of the path of a record, then in the order of the log. Snapshots and
/// models that newer ones have overtaken are not due.
pub fn work(state: &State) -> Vec<Work> {
    state.datanets().iter().flat_map(|(id, net)| due(id, net, state.t())).collect()
}

fn due<'a>(id: &'a DatanetId, net: &'a Datanet, t: u64) -> impl Iterator<Item = Work> + use<'a> {
    let gate = net.ungated.iter().map(|&contribution| Work::Gate { datanet: id.clone(), contribution });
    let snapshot = net.snapshots.keys().next_back();
    let whole = |snapshot: &&u64| net.broken(**snapshot).is_none();
    let untrained = snapshot
        .filter(whole)
        .filter(|&snapshot| net.models.values().all(|model| model.snapshot != *snapshot));
    let train = untrained.map(|&snapshot| Work::Train { datanet: id.clone(), snapshot });
    let newest = net.models.iter().next_back();
    let unvalued =
        newest.filter(|(_, model)| model.valuation.is_none() && net.broken(model.snapshot).is_none());
    let value = unvalued.map(|(&model, _)| Work::Value { datanet: id.clone(), model });
    let answer = net.serving().into_iter().flat_map(move |model| {
        let open = net.queries.iter().filter(move |(_, query)| !query.is_expired(t));
        open.map(move |(&query, _)| Work::Answer { datanet: id.clone(), query, model })
    });
    gate.chain(train).chain(value).chain(answer)
}
