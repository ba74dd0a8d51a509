//! What a record is worth: values by the Aumann-Shapley path, intervals, attribution of one answer, quantisation.
